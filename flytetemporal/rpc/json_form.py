"""Encode messages as JSON the way Flyte's HTTP gateway does: with unset fields, names in snake or camel case."""

import json
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from flytetemporal.errors import InvalidRequest
from flytetemporal.idl import bounds

_WELL_KNOWN = "google.protobuf."
# Limit of a parser's error text, which can repeat the whole value.
MESSAGE_CHARACTERS = 500


def dumps(message: Message, *, proto_names: bool) -> bytes:
    """Return JSON: null for unset messages, nothing for unset members of a oneof, strings for 64-bit integers."""
    try:
        document = _document(message, proto_names)
    except (ValueError, OverflowError, json_format.Error):
        # A row of an older version can contain values that are refused today. It must not break lists of rows.
        message = bounds.repaired(message)
        document = _document(message, proto_names)
    if not _is_well_known(message):
        document = _complete(message, document, proto_names)
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _document(message: Message, proto_names: bool) -> dict[str, Any]:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=proto_names, always_print_fields_with_no_presence=True
    )


def parse(body: bytes, message: Message) -> None:
    """Merge a JSON body into ``message``; names can be in snake or camel case.

    Raises:
        InvalidRequest: the body is not JSON, or does not match the message.
    """
    text = body.decode(errors="replace")
    try:
        json.loads(text)
        json_format.Parse(text, message)
    except RecursionError as e:
        raise InvalidRequest("syntax error: the body is nested too deep") from e
    except json.JSONDecodeError as e:
        at_end = e.pos >= len(text.rstrip())
        raise InvalidRequest(
            "unexpected EOF" if at_end else f"syntax error (line {e.lineno}:{e.colno}): {e.msg}"
        ) from e
    except json_format.ParseError as e:
        raise InvalidRequest(f"proto: {str(e)[:MESSAGE_CHARACTERS]}") from e
    except (ValueError, OverflowError, TypeError) as e:
        # Numbers of thousands of digits, lone surrogates and the like: the parsers do not name all their errors.
        raise InvalidRequest(f"syntax error: {str(e)[:MESSAGE_CHARACTERS]}") from e


def _complete(message: Message, document: dict[str, Any], proto_names: bool) -> dict[str, Any]:
    completed: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        key = field.name if proto_names else field.json_name
        if field.message_type is None:
            if key in document:
                completed[key] = document[key]
        elif field.is_repeated:
            completed[key] = _complete_many(field, getattr(message, field.name), document.get(key, []), proto_names)
        elif message.HasField(field.name):
            value = getattr(message, field.name)
            completed[key] = document[key] if _is_well_known(value) else _complete(value, document[key], proto_names)
        elif field.containing_oneof is None:
            completed[key] = None
    return completed


def _complete_many(field: Any, values: Any, documents: Any, proto_names: bool) -> Any:
    if not field.message_type.GetOptions().map_entry:
        if field.message_type.full_name.startswith(_WELL_KNOWN):
            return documents
        return [_complete(value, item, proto_names) for value, item in zip(values, documents, strict=True)]
    kind = field.message_type.fields_by_name["value"].message_type
    if kind is None or kind.full_name.startswith(_WELL_KNOWN):
        return documents
    # MessageToDict writes a map's keys as text.
    by_text = {str(key).lower() if isinstance(key, bool) else str(key): value for key, value in values.items()}
    return {key: _complete(by_text[key], item, proto_names) for key, item in documents.items()}


def _is_well_known(message: Message) -> bool:
    return message.DESCRIPTOR.full_name.startswith(_WELL_KNOWN)
