"""The error of the commands: one line that says what failed and what to do, and exit status 1."""

import click


class CommandError(click.ClickException):
    """Ends the command; click prints its message on stderr."""
