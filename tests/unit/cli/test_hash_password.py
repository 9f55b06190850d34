"""The command that hashes passwords."""

from click.testing import CliRunner

from flytetemporal.auth import passwords
from flytetemporal.cli.commands.sign_in.hash_password import hash_password


def test_a_password_of_standard_input_is_hashed() -> None:
    printed = CliRunner().invoke(hash_password, input="a secret\n").output.strip()

    assert "secret" not in printed
    assert passwords.matches("a secret", printed)


def test_an_empty_password_is_refused() -> None:
    ran = CliRunner().invoke(hash_password, input="\n")

    assert ran.exit_code == 1
    assert "the password is empty" in ran.output
