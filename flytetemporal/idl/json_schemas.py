"""Compare the JSON schemas that flytekit writes for dataclasses.

A schema accepts another one if every value of the other is also valid for it: objects are compared by their
properties, lists by their items, alternatives one by one. Keywords that only describe or restrict single values
(``title``, ``default``, ``format``, ``additionalProperties`` ...) are not compared, and neither is ``required``:
flytekit always writes every field.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flytetemporal.errors import InvalidRequest

# Levels of definitions that refer to each other. Recursive types need none: a pair is compared once.
MAX_DEPTH = 100

Schema = Any  # A parsed JSON schema: a mapping, or true and false.

_NUMBERS = frozenset({"integer", "number"})


def accepts(downstream: Schema, upstream: Schema) -> bool:
    """Whether values of the schema ``upstream`` can be read as ``downstream``.

    Raises:
        InvalidRequest: the references of the schemas lead more than ``MAX_DEPTH`` levels deep.
    """
    return _Comparison(downstream, upstream).accepts(downstream, upstream)


@dataclass(slots=True)
class _Comparison:
    """A comparison of two documents; references are resolved in them.

    ``open_pairs`` are being compared. ``refused`` and ``accepted`` are known: definitions that several others refer to
    would otherwise be compared as often as there are ways to them. A pair counts as accepted while it is compared
    again inside itself, so what was accepted on the way is only known while that assumption holds: ``accepted`` is in
    the order of discovery, and a pair that is refused takes back what came after it.
    """

    downstream: Schema
    upstream: Schema
    open_pairs: set[tuple[int, int]] = field(default_factory=set)
    refused: set[tuple[int, int]] = field(default_factory=set)
    accepted: dict[tuple[int, int], None] = field(default_factory=dict)

    def accepts(self, down: Schema, up: Schema) -> bool:
        down, up = _dereference(down, self.downstream), _dereference(up, self.upstream)
        if not isinstance(down, Mapping) or not isinstance(up, Mapping):
            return _is_anything(down) or bool(down == up)
        if _is_anything(down):
            return True
        # The documents outlive the comparison, so their parts keep their identities.
        pair = (id(down), id(up))
        if pair in self.refused:
            return False
        if pair in self.open_pairs or pair in self.accepted:
            return True
        return self._compare(pair, down, up)

    def _compare(self, pair: tuple[int, int], down: Mapping[str, Any], up: Mapping[str, Any]) -> bool:
        if len(self.open_pairs) >= MAX_DEPTH:
            raise InvalidRequest(f"the JSON schemas of two types refer to each other more than {MAX_DEPTH} levels deep")
        known = len(self.accepted)
        self.open_pairs.add(pair)
        try:
            accepts = self._accepts_alternatives(down, up)
        finally:
            self.open_pairs.discard(pair)
        if accepts:
            self.accepted[pair] = None
        else:
            self.refused.add(pair)
            while len(self.accepted) > known:
                self.accepted.popitem()
        return accepts

    def _accepts_alternatives(self, down: Mapping[str, Any], up: Mapping[str, Any]) -> bool:
        offered = _alternatives(up)
        if offered is not None:
            return all(self.accepts(down, alternative) for alternative in offered)
        wanted = _alternatives(down)
        if wanted is not None:
            return any(self.accepts(alternative, up) for alternative in wanted)
        return _accepts_values(down, up) and self._accepts_parts(down, up)

    def _accepts_parts(self, down: Mapping[str, Any], up: Mapping[str, Any]) -> bool:
        properties = _properties(up)
        for name, wanted in _properties(down).items():
            if name not in properties or not self.accepts(wanted, properties[name]):
                return False
        if "items" in down and "items" in up:
            return self.accepts(down["items"], up["items"])
        return True


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    # Anybody can write a schema: a keyword whose value has the wrong kind counts as absent.
    properties = schema.get("properties")
    return properties if isinstance(properties, Mapping) else {}


def _is_anything(schema: Schema) -> bool:
    return schema is True or schema == {}


def _alternatives(schema: Mapping[str, Any]) -> Sequence[Schema] | None:
    for keyword in ("anyOf", "oneOf"):
        if isinstance(schema.get(keyword), list):
            found: Sequence[Schema] = schema[keyword]
            return found
    return None


def _accepts_values(down: Mapping[str, Any], up: Mapping[str, Any]) -> bool:
    wanted, offered = _types(down), _types(up)
    if wanted and not (offered and offered <= wanted):
        return False
    wanted_values, offered_values = _values(down), _values(up)
    if wanted_values is None:
        return True
    return offered_values is not None and all(value in wanted_values for value in offered_values)


def _types(schema: Mapping[str, Any]) -> frozenset[str]:
    named = schema.get("type", [])
    listed = named if isinstance(named, list) else [named]
    types = frozenset(name for name in listed if isinstance(name, str))
    return types | _NUMBERS if "number" in types else types


def _values(schema: Mapping[str, Any]) -> Sequence[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    values = schema.get("enum")
    return values if isinstance(values, list) else None


def _dereference(schema: Schema, document: Schema) -> Schema:
    """Follow ``$ref`` inside the document; an unresolvable reference is returned as it is."""
    seen: set[str] = set()
    while isinstance(schema, Mapping) and isinstance(schema.get("$ref"), str) and schema["$ref"] not in seen:
        seen.add(schema["$ref"])
        target = _lookup(document, schema["$ref"])
        if target is None:
            break
        schema = target
    return schema


def _lookup(document: Schema, reference: str) -> Schema | None:
    if not reference.startswith("#"):
        return None
    found = document
    for part in filter(None, reference.removeprefix("#").split("/")):
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    return found
