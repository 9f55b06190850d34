"""The error of the commands: one line that says what is wrong and what to do, and exit status 1."""

import click


class CommandFailed(click.ClickException):
    """Ends the command with its message on stderr."""
