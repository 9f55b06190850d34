import pytest
from click.testing import CliRunner

from flytetemporal.cli.commands.doctor import doctor
from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.wiring import configuration


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTETEMPORAL_ADMIN__MAX_MESSAGE_BYTES", "7")

    assert configuration.load().admin.max_message_bytes == 7


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FLYTETEMPORAL_ADMIN__MAX_MESSAGE_BYTES", "abc"),
        ("FLYTETEMPORAL_ADMIN__NOPE", "1"),
        ("FLYTETEMPORAL_DATABASE__POOL_SIZE", ""),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(CommandError, match=variable):
        configuration.load()


def test_a_list_that_is_not_json_is_an_error_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTETEMPORAL_ADMIN__DOMAINS", "development")

    with pytest.raises(CommandError, match="not valid"):
        configuration.load()


def test_doctor_says_that_no_stack_runs_on_a_folder(tmp_path: object) -> None:
    result = CliRunner().invoke(doctor, ["--home", str(tmp_path)])

    assert result.exit_code == 1
    assert f"no stack runs on {tmp_path}" in result.output
