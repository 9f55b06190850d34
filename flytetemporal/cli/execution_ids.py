"""Ids of executions as users type and paste them."""

import re

import click
from flyteidl.core import identifier_pb2

_LINK = re.compile(r"/projects/([^/?#]+)/domains/([^/?#]+)/executions/([^/?#]+)")
_FORMS = "give NAME, PROJECT/DOMAIN/NAME, PROJECT:DOMAIN:NAME or a link of the console"


def parse(text: str, project: str, domain: str) -> identifier_pb2.WorkflowExecutionIdentifier:
    """Return the id that is meant; ``project`` and ``domain`` complete a name.

    Raises:
        click.BadParameter: the text is no id.
    """
    link = _LINK.search(text)
    parts = list(link.groups()) if link else re.split("[/:]", text)
    if len(parts) == 1:
        parts = [project, domain, *parts]
    if len(parts) != 3 or not all(parts):
        raise click.BadParameter(f"{text!r} is no execution: {_FORMS}", param_hint="EXECUTION")
    return identifier_pb2.WorkflowExecutionIdentifier(project=parts[0], domain=parts[1], name=parts[2])
