"""The ``flytetemporal`` command. A sub-command is imported only when it runs, so that each starts fast."""

import importlib
import os
import sys

import click

_COMMANDS = {
    "dev": "flytetemporal.cli.commands.dev:dev",
    "why": "flytetemporal.cli.commands.why:why",
    "terminate": "flytetemporal.cli.commands.terminate:terminate",
    "admin": "flytetemporal.cli.commands.admin:admin",
    "worker": "flytetemporal.cli.commands.worker:worker",
    "control-worker": "flytetemporal.cli.commands.control_worker:control_worker",
    "catalog": "flytetemporal.cli.commands.catalog:catalog",
    "migrate": "flytetemporal.cli.commands.migrate:migrate",
    "promote": "flytetemporal.cli.commands.promote:promote",
    "doctor": "flytetemporal.cli.commands.doctor:doctor",
    "status": "flytetemporal.cli.commands.status:status",
    "copilot": "flytetemporal.cli.commands.copilot:copilot",
    "version": "flytetemporal.cli.commands.version:version",
}


class LazyGroup(click.Group):
    """A group of sub-commands that are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help text: what users need first comes first."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command; None if there is none of that name."""
        target = _COMMANDS.get(cmd_name)
        if target is None:
            return None
        module, attribute = target.split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run unchanged Flyte v1 workflows on Temporal."""


def run() -> None:
    """Run the command and exit without finalizing the interpreter.

    Finalizing it after the threads of the Temporal client have run can crash the process, which loses the exit status
    of a command that has done its work.
    """
    status: int | str | None = 0
    try:
        main(prog_name="flytetemporal")
    except SystemExit as e:
        status = e.code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))


if __name__ == "__main__":
    run()
