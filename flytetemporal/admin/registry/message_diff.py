"""A readable diff of two messages, for the errors of conflicting registrations."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from flytetemporal.idl import prototext

_ABSENT = "<nil>"
_VALUE_LIMIT = 2_000


def text(old: Message, new: Message, limit_bytes: int) -> str:
    """Return the differences: path, old value after ``-``, new value after ``+``; cut at ``limit_bytes``."""
    blocks: list[str] = []
    size = 0
    for path, before, after in _differences(old, new, ""):
        block = f"{path}:\n\t- {_shown(before)}\n\t+ {_shown(after)}"
        size += len(block.encode()) + 1
        if size > limit_bytes:
            blocks.append("...")
            break
        blocks.append(block)
    return "\n".join(blocks)


def _differences(old: Message, new: Message, path: str) -> Iterator[tuple[str, Any, Any]]:
    before, after = ({field.name: (field, value) for field, value in m.ListFields()} for m in (old, new))
    for name in sorted(before.keys() | after.keys()):
        field, _ = before.get(name) or after[name]
        pair = (before[name][1] if name in before else None, after[name][1] if name in after else None)
        yield from _of_field(field, pair[0], pair[1], f"{path}/{name}")


def _of_field(field: FieldDescriptor, old: Any, new: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if old is not None and new is not None and old == new:
        return
    if not field.is_repeated:
        yield from _of_values(old, new, path)
    elif field.message_type is not None and field.message_type.GetOptions().map_entry:
        left, right = old or {}, new or {}
        for key in sorted({*left, *right}, key=str):
            # Reading an absent key of a message map inserts it, so membership is tested first.
            yield from _of_values(
                left[key] if key in left else None,  # noqa: SIM401
                right[key] if key in right else None,  # noqa: SIM401
                f"{path}/{key}",
            )
    else:
        for position, (one, other) in enumerate(zip_longest(old or [], new or [])):
            yield from _of_values(one, other, f"{path}/{position}")


def _of_values(old: Any, new: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if old is not None and new is not None and old == new:
        return
    if isinstance(old, Message) and isinstance(new, Message):
        yield from _differences(old, new, path)
    else:
        yield path, old, new


def _shown(value: Any) -> str:
    if value is None:
        return _ABSENT
    shown = f"{{{prototext.one_line(value)}}}" if isinstance(value, Message) else str(value)
    return shown if len(shown) <= _VALUE_LIMIT else f"{shown[:_VALUE_LIMIT]}..."
