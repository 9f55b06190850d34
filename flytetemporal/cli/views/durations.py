"""Durations as users write them: ``90m``, ``12h``, ``7d``."""

import re
from datetime import timedelta

import click

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def option(_: click.Context, __: click.Parameter, text: str) -> timedelta | None:
    """Return the duration of a text such as ``90m``, ``12h`` or ``7d``; None for an empty one."""
    if not text:
        return None
    match = re.fullmatch(r"(\d{1,9})([smhdw])", text, re.ASCII)
    if match is None:
        raise click.BadParameter(f"{text!r} is no duration; write 90m, 12h or 7d")
    try:
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError as e:
        raise click.BadParameter(f"{text!r} is too long") from e


def text(delta: timedelta) -> str:
    """Return a duration in the largest unit that gives a whole number."""
    seconds = int(delta.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{delta.total_seconds():g}s"
