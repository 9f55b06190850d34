"""Subjects and bodies of emails, from templates with Flyte's variables.

As in Flyte, ``{{ name }}`` and ``{{name}}`` are replaced, and unknown variables stay. Unlike there, values in a body,
which is HTML, are escaped, and a subject is one line.
"""

import html
import re
from collections.abc import Mapping

from flytetemporal.contracts.v1 import notifications_pb2
from flytetemporal.idl import phases

MAX_SUBJECT = 500
# A template can contain a long value thousands of times. The rest is cut.
MAX_BODY = 512 * 1024
_VARIABLE = re.compile(r"\{\{ ?([a-z_.]+) ?\}\}")


def subject(template: str, notice: notifications_pb2.Notice) -> str:
    """Return a subject."""
    return " ".join(_filled(template, _values(notice)).split())[:MAX_SUBJECT]


def body(template: str, notice: notifications_pb2.Notice) -> str:
    """Return the HTML of a body."""
    return _filled(template, {name: html.escape(value) for name, value in _values(notice).items()})


def _filled(template: str, values: Mapping[str, str]) -> str:
    parts: list[str] = []
    length = end = 0
    for match in _VARIABLE.finditer(template):
        parts += [template[end : match.start()], values.get(match[1], match[0])]
        length += len(parts[-2]) + len(parts[-1])
        end = match.end()
        if length > MAX_BODY:
            break
    return "".join([*parts, template[end:]])[:MAX_BODY]


def _values(notice: notifications_pb2.Notice) -> dict[str, str]:
    execution = notice.execution_id
    values = {
        "project": execution.project,
        "domain": execution.domain,
        "name": execution.name,
        "phase": phases.W.Phase.Name(notice.phase).lower(),
        "error": f" The execution failed with error: [{notice.error.message}]." if notice.HasField("error") else "",
    }
    for entity, identifier in (("workflow", notice.workflow_id), ("launch_plan", notice.launch_plan_id)):
        for part in ("project", "domain", "name", "version"):
            values[f"{entity}.{part}"] = getattr(identifier, part)
    return values
