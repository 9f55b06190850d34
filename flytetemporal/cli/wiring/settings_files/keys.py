"""Which keys the settings have, and which one a mistyped key may mean."""

import difflib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel

from flytetemporal.cli.wiring.settings_files.documents import Document, KeyPath
from flytetemporal.config.settings import Settings

GUIDE = "docs/guide/configuration.md"
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def problems(document: Document) -> list[str]:
    """Return a sentence, with file and line, for each key that the settings do not have."""
    return [
        f"{document.file}:{document.lines[path]}: {problem}" for path, problem in _walk(document.content, Settings, ())
    ]


def _walk(content: Mapping[str, Any], model: type[BaseModel], path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    for key, value in content.items():
        here = (*path, key)
        if key not in model.model_fields:
            yield here, f"there is no key {'.'.join(here)}; {_advice(here, model)}"
            continue
        annotation = model.model_fields[key].annotation
        if (section := section_of(annotation)) is not None:
            if isinstance(value, dict):
                yield from _walk(value, section, here)
            else:
                yield here, f"{'.'.join(here)} is a section; give a mapping of its keys"
        elif (entries := _entries_of(annotation)) is not None and isinstance(value, dict):
            for name, entry in value.items():
                if isinstance(entry, dict):
                    yield from _walk(entry, entries, (*here, name))


def section_of(annotation: Any) -> type[BaseModel] | None:
    """Return the class of a section; None for any other type."""
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _entries_of(annotation: Any) -> type[BaseModel] | None:
    """Return the class of the values of a mapping; None unless they are models."""
    arguments = get_args(annotation)
    return section_of(arguments[1]) if len(arguments) == 2 else None


@cache
def leaves(model: type[BaseModel] = Settings, path: KeyPath = ()) -> tuple[KeyPath, ...]:
    """Return the path of every setting, in the order of the classes."""
    found: list[KeyPath] = []
    for name, field in model.model_fields.items():
        section = section_of(field.annotation)
        found += leaves(section, (*path, name)) if section is not None else [(*path, name)]
    return tuple(found)


def _advice(path: KeyPath, model: type[BaseModel]) -> str:
    """Return which key is meant: one of the same section, else one of this name elsewhere, else the list of all."""
    spelled = _CAPITAL.sub("_", path[-1]).replace("-", "_").lower()
    if near := difflib.get_close_matches(spelled, list(model.model_fields), n=1, cutoff=0.65):
        return f"did you mean {'.'.join((*path[:-1], near[0]))}?"
    elsewhere = [".".join(leaf) for leaf in leaves() if leaf[-1] == spelled]
    elsewhere = elsewhere or difflib.get_close_matches(
        ".".join((*path[:-1], spelled)), [".".join(leaf) for leaf in leaves()], n=1, cutoff=0.75
    )
    return f"did you mean {' or '.join(elsewhere)}?" if elsewhere else f"see {GUIDE}"
