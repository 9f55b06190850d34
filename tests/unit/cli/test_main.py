import subprocess
import sys

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from flytetemporal.cli import main

# What a command costs that only calls admin: none of these may be imported on its way to the first call.
HEAVY = ("flytekit", "temporalio", "sqlalchemy", "pandas", "pydantic", "starlette", "fsspec")
NOWHERE = ["--endpoint", "127.0.0.1:1"]
THIN = {
    "get": ["executions", *NOWHERE],
    "access": ["grant", "user:ada", "viewer", *NOWHERE],
    "audit": ["--refused", *NOWHERE],
    "cache": ["ls", "e1", *NOWHERE],
    "retention": ["get", *NOWHERE],
    "delete": ["execution", "e1", *NOWHERE],
    "backfill": ["plan", "--from", "2026-01-01T00:00Z", "--to", "now", "--dry-run", *NOWHERE],
    "describe": ["e1", "n0", *NOWHERE],
    "logs": ["e1", "n0", "-f", *NOWHERE],
    "metrics": ["e1", *NOWHERE],
    "recover": ["e1", *NOWHERE],
    "fork": ["e1", "--from", "n0", "--set", "n0.memory=8Gi", *NOWHERE],
    "export": ["e1", "-O", "/nonexistent-but-not-written", *NOWHERE],
    "why": ["e1", *NOWHERE],
    "edit": ["e1", "--on-failure", "hold", *NOWHERE],
    "retry": ["e1", "n0", *NOWHERE],
    "skip": ["e1", "n0", *NOWHERE],
    "pause": ["e1", "--node", "n0", "--stop-running", "--reason", "look", *NOWHERE],
    "resume": ["--kind", "project", "p", *NOWHERE],
    "pauses": ["e1", *NOWHERE],
    "notify": ["--test", "--email", "ada@example.com", *NOWHERE],
    "terminate": ["e1", "--reason", "tired", *NOWHERE],
}


def imported_by(*arguments: str) -> tuple[int, set[str]]:
    """Run the command in a new interpreter; return its exit status and the heavy packages it has imported."""
    program = (
        "import sys\nfrom flytetemporal.cli.main import main\n"
        "try: main(sys.argv[1:], prog_name='flytetemporal')\n"
        "except SystemExit as e: print('status', e.code)\n"
        f"print('imported', *(name for name in {HEAVY!r} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    *_, status, imported = done.stdout.splitlines()
    return int(status.removeprefix("status ")), set(imported.split()[1:])


@pytest.mark.parametrize("name", THIN)
def test_a_thin_command_imports_no_engine_no_client_library_and_no_database(name: str) -> None:
    status, imported = imported_by(name, *THIN[name])

    assert status == 1, "the command has called admin, where nobody listens"
    assert imported == set()


def test_the_list_of_commands_imports_none_of_them() -> None:
    assert imported_by("--help") == (0, set())


@pytest.mark.parametrize("name", main.COMMANDS)
def test_the_list_of_commands_says_what_the_command_says(name: str) -> None:
    command = main.LazyGroup().get_command(click.Context(main.main), name)

    assert command is not None
    assert command.name == name
    assert command.get_short_help_str(limit=200) == main.COMMANDS[name]


def leaves(command: click.Command) -> list[click.Command]:
    if not isinstance(command, click.Group):
        return [command]
    return [leaf for inner in command.commands.values() for leaf in leaves(inner)]


@pytest.mark.parametrize("name", THIN)
def test_thin_commands_have_the_same_options(name: str) -> None:
    command = main.LazyGroup().get_command(click.Context(main.main), name)

    assert command is not None
    for one in leaves(command):
        spellings = {spelling for parameter in one.params for spelling in parameter.opts}
        assert {"-p", "--project", "-d", "--domain", "--home", "--endpoint", "--secure"} <= spellings


def test_the_shell_completes_names_of_commands() -> None:
    completion = ShellComplete(main.main, {}, "flytetemporal", "_FLYTETEMPORAL_COMPLETE")

    assert [item.value for item in completion.get_completions([], "wor")] == ["worker"]
    assert "--help" in [item.value for item in completion.get_completions([], "--")]


def test_an_execution_is_not_completed_while_nobody_answers() -> None:
    completion = ShellComplete(main.main, {}, "flytetemporal", "_FLYTETEMPORAL_COMPLETE")

    assert completion.get_completions(["describe", *NOWHERE], "e") == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "change either the execution"),
        (["--node", "n0"], "--node goes with what changes of it"),
        (["--retries", "1"], "--node goes with what changes of it"),
        (["--node", "n0", "--retries", "1", "--on-failure", "hold"], "change either the execution"),
        (["--node", "n0", "--timeout", "soon"], "is not a duration"),
        (["--on-failure", "wait"], "is not one of"),
    ],
)
def test_an_edit_that_does_not_say_what_to_change_is_called_wrongly(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(main.main, ["edit", "e1", *NOWHERE, *arguments])

    assert result.exit_code == 2
    assert says in " ".join(result.output.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--max-parallelism", "2"],
        ["--on-failure", "hold"],
        ["--node", "n0", "--retries", "1", "--memory", "1Gi"],
        ["--node", "n0", "--max-parallelism", "2"],
    ],
)
def test_an_edit_that_says_what_to_change_is_sent(arguments: list[str]) -> None:
    """It fails only because nothing listens."""
    assert CliRunner().invoke(main.main, ["edit", "e1", *NOWHERE, *arguments]).exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["version"], 0), (["why", "e1", *NOWHERE], 1), (["why"], 2), (["why", "a/b", *NOWHERE], 2), (["nothing"], 2)],
)
def test_the_exit_status_says_whether_the_command_failed_or_was_called_wrongly(
    arguments: list[str], status: int
) -> None:
    assert CliRunner().invoke(main.main, arguments).exit_code == status


@pytest.mark.parametrize(("arguments", "status"), [(["--reason", "tired"], 1), (["--cause", "tired"], 1), ([], 2)])
def test_who_terminates_an_execution_says_why(arguments: list[str], status: int) -> None:
    """With a reason it fails only because nothing listens; ``--cause`` is the old name of the option."""
    assert CliRunner().invoke(main.main, ["terminate", "e1", *NOWHERE, *arguments]).exit_code == status


@pytest.mark.parametrize("name", ["pause", "resume", "edit", "retry", "skip", "fork"])
def test_who_changes_an_execution_can_be_named(name: str) -> None:
    command = main.LazyGroup().get_command(click.Context(main.main), name)

    assert command is not None
    assert "--by" in {spelling for parameter in command.params for spelling in parameter.opts}
