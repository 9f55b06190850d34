"""The single-line text form of protobuf messages, as in Flyte's error messages.

Fields are in the order of their declaration, ``name:value`` for scalars and ``name:{...}`` for messages.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def one_line(message: Message, *, without: Iterable[str] = ()) -> str:
    """Return the text of ``message`` without the fields named in ``without``, at every depth."""
    hidden = frozenset(without)
    return " ".join(_fields(message, hidden))


def _fields(message: Message, hidden: frozenset[str]) -> Iterator[str]:
    for field, value in sorted(message.ListFields(), key=_declared):
        if field.name in hidden:
            continue
        if not field.is_repeated:
            yield f"{field.name}:{_value(field, value, hidden)}"
        elif _is_map(field):
            yield from _entries(field, value, hidden)
        else:
            yield from (f"{field.name}:{_value(field, element, hidden)}" for element in value)


def _declared(pair: tuple[FieldDescriptor, object]) -> int:
    return pair[0].index


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _entry_fields(field: FieldDescriptor) -> Sequence[FieldDescriptor]:
    return field.message_type.fields if field.message_type is not None else ()


def _entries(field: FieldDescriptor, values: Mapping[object, object], hidden: frozenset[str]) -> Iterator[str]:
    key_field, value_field = _entry_fields(field)
    for key in sorted(values, key=str):
        text = f"key:{_value(key_field, key, hidden)} value:{_value(value_field, values[key], hidden)}"
        yield f"{field.name}:{{{text}}}"


def _value(field: FieldDescriptor, value: object, hidden: frozenset[str]) -> str:
    if isinstance(value, Message):
        return f"{{{one_line(value, without=hidden)}}}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value.translate(_ESCAPES)}"'
    if isinstance(value, bytes):
        return f'"{value.decode("latin-1").encode("unicode_escape").decode()}"'
    if field.enum_type is not None and isinstance(value, int) and value in field.enum_type.values_by_number:
        return field.enum_type.values_by_number[value].name
    return str(value)
