"""Who runs a command: operations record it, and others see it."""

import getpass
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def option(command: F) -> F:
    """Add ``--by``, which the command gets as ``by``."""
    help_text = "Who does this; others see it.  [default: your user name]"
    return click.option("--by", default=current, help=help_text)(command)


def current() -> str:
    """Return the name of the user who runs the command; empty if it has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # A container can run under a number that no user has.
        return ""
