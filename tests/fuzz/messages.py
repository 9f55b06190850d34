"""Strategies for messages of any type, built from their descriptors, and for mutations of valid ones.

Random messages rarely get past the first check, so most requests are valid ones with a few fields replaced.
"""

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

MAX_DEPTH = 5
MAX_FIELDS = 4
F = FieldDescriptor

KNOWN = ["flytesnacks", "development", "t", "w", "v1", "n0", "a", "o0", "start-node", "end-node", "fuzzed"]
HOSTILE = [
    "", " ", "\0", "a\0b", "a\nb", "é", "\u202e", "😀" * 20, "x" * 64, "x" * 256, "x" * 300, "x" * 5000,
    "..", "../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "s3://other/bucket", "http://127.0.0.1/",
    "flyte://v1/flytesnacks/development/fuzzed/n0/i", "%", "%00", "{{.inputs}}", "{{.outputPrefix}}", "${HOME}",
    "eq(name,t)", "eq(name", "value_in(phase,a;b)", "ne(x,y)+gt(a,b)", "0", "-1", "1e999", "NaN", "9" * 5000, "1Gi",
    "* * * * *", "@daily", "[", "(", "a" * 4000 + "!",
]  # fmt: skip
texts = st.one_of(st.sampled_from(KNOWN), st.sampled_from(HOSTILE), st.text(max_size=12))
INTEGERS = [0, 1, -1, 2, 100, 500, 2**31 - 1, -(2**31), 2**31, 2**32 - 1, 2**53, 2**62, 2**63 - 1, -(2**63), 2**64 - 1]
FLOATS = [0.0, -0.0, 1.0, 0.5, -1.0, 1e308, -1e308, 5e-324, float("nan"), float("inf"), float("-inf")]
RANGES = {
    F.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    F.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    F.CPPTYPE_UINT32: (0, 2**32 - 1),
    F.CPPTYPE_UINT64: (0, 2**64 - 1),
}


def _integers(lowest: int, highest: int) -> st.SearchStrategy[int]:
    return st.sampled_from([number for number in INTEGERS if lowest <= number <= highest])


def scalars(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """Return the values that a field which is no message can hold, the hostile ones first."""
    if field.cpp_type == F.CPPTYPE_STRING:
        return texts.map(str.encode) if field.type == F.TYPE_BYTES else texts
    if field.cpp_type == F.CPPTYPE_BOOL:
        return st.booleans()
    if field.cpp_type in (F.CPPTYPE_DOUBLE, F.CPPTYPE_FLOAT):
        return st.sampled_from(FLOATS)
    if field.cpp_type == F.CPPTYPE_ENUM:
        kind: Any = field.enum_type
        return st.sampled_from([*(value.number for value in kind.values), 99, -1])
    return _integers(*RANGES[field.cpp_type])


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor, depth: int = 0) -> Message:
    """Build a message of any type with a few of its fields set."""
    message = GetMessageClass(descriptor)()
    fields = [f for f in descriptor.fields if depth < MAX_DEPTH or f.message_type is None]
    if fields:
        for field in draw(st.lists(st.sampled_from(fields), max_size=MAX_FIELDS)):
            replace(draw, message, field, depth)
    return message


def replace(draw: st.DrawFn, message: Message, field: FieldDescriptor, depth: int = 0) -> None:
    """Give a field another value."""
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        _replace_map(draw, message, field, depth)
    elif field.is_repeated:
        values = getattr(message, field.name)
        for _ in range(draw(st.integers(0, 2))):
            if field.message_type is None:
                values.append(draw(scalars(field)))
            else:
                values.add().CopyFrom(draw(messages(field.message_type, depth + 1)))
        if len(values) and draw(st.booleans()):
            values.append(values[0])  # Duplicates matter: ids, names, keys.
    elif field.message_type is None:
        setattr(message, field.name, draw(scalars(field)))
    else:
        getattr(message, field.name).CopyFrom(draw(messages(field.message_type, depth + 1)))


def _replace_map(draw: st.DrawFn, message: Message, field: FieldDescriptor, depth: int) -> None:
    entry: Any = field.message_type
    key_field, value_field = (entry.fields_by_name[name] for name in ("key", "value"))
    entries = getattr(message, field.name)
    key = draw(scalars(key_field))
    if value_field.message_type is None:
        entries[key] = draw(scalars(value_field))
    else:
        entries[key].CopyFrom(draw(messages(value_field.message_type, depth + 1)))


@st.composite
def mutations(draw: st.DrawFn, valid: Message) -> Message:
    """Return a copy of a message in which one to three fields, at any depth, have another value."""
    message = type(valid)()
    message.CopyFrom(valid)
    for _ in range(draw(st.integers(1, 3))):
        _mutate(draw, message)
    return message


def _mutate(draw: st.DrawFn, message: Message) -> None:
    """Walk down fields that are set, and replace one somewhere on the way."""
    target = message
    while True:
        below = [value for value in _submessages(target) if value.DESCRIPTOR.fields]
        if not below or draw(st.integers(0, 3)) == 0:
            break
        target = draw(st.sampled_from(below))
    descriptor: Any = target.DESCRIPTOR
    field = draw(st.sampled_from(list(descriptor.fields)))
    if draw(st.integers(0, 5)) == 0:
        target.ClearField(field.name)
    elif _is_recursive(field) and draw(st.booleans()):
        _nest(target, field, draw(st.sampled_from([20, 48, 90])))
    else:
        replace(draw, target, field, depth=1)


def _submessages(message: Message) -> list[Message]:
    found: list[Message] = []
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                found += [value[key] for key in value]
        else:
            found += list(value) if field.is_repeated else [value]
    return found


def _is_recursive(field: FieldDescriptor) -> bool:
    kind = field.message_type
    return kind is not None and not field.is_repeated and _loop(kind) is not None


def _loop(kind: Descriptor) -> FieldDescriptor | None:
    """Return a singular field through which a type contains itself."""
    return next((f for f in kind.fields if f.message_type is kind and not f.is_repeated), None)


def _nest(message: Message, field: FieldDescriptor, levels: int) -> None:
    """Put a message of a recursive type into itself, again and again."""
    inner, kind = getattr(message, field.name), field.message_type
    loop = _loop(kind) if kind is not None else None
    assert loop is not None
    for _ in range(levels):
        inner = getattr(inner, loop.name)
    inner.SetInParent()
