"""The ``flytetemporal`` command. Each sub-command is imported only when it runs: starting one stays quick."""

import importlib

import click

_COMMANDS = {
    "dev": "flytetemporal.cli.dev:dev",
    "why": "flytetemporal.cli.why:why",
    "terminate": "flytetemporal.cli.terminate:terminate",
    "admin": "flytetemporal.cli.admin_process:admin",
    "worker": "flytetemporal.cli.worker_process:worker",
    "control-worker": "flytetemporal.cli.control_worker_process:control_worker",
    "migrate": "flytetemporal.cli.migrate:migrate",
    "promote": "flytetemporal.cli.promote:promote",
    "doctor": "flytetemporal.cli.doctor:doctor",
    "status": "flytetemporal.cli.status:status",
    "copilot": "flytetemporal.cli.copilot:copilot",
    "version": "flytetemporal.cli.version:version",
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports them on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of a user's interest."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        target = _COMMANDS.get(cmd_name)
        if target is None:
            return None
        module, attribute = target.split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run unchanged Flyte v1 workflows on Temporal."""


if __name__ == "__main__":
    main(prog_name="flytetemporal")
