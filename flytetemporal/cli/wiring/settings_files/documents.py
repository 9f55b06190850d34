"""Read configuration files: YAML of bounded size and depth, with the line of every key.

Anchors, tags of programs and keys that occur twice are refused: each makes a file mean something else than it shows.
"""

import glob
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from flytetemporal.cli.errors import CommandError

MAX_FILES = 100
MAX_BYTES = 256 * 1024
MAX_DEPTH = 32

KeyPath = tuple[str, ...]


@dataclass(slots=True)
class Document:
    """The content of a file, and the line of each key outside of lists."""

    file: str
    content: dict[str, Any] = field(default_factory=dict)
    lines: dict[KeyPath, int] = field(default_factory=dict)


def paths(patterns: Iterable[str]) -> list[str]:
    """Return the files that are meant, in the order in which they count: patterns as given, their files by name.

    Raises:
        CommandError: a pattern matches no file, or there are too many files.
    """
    found: list[str] = []
    for pattern in patterns:
        if Path(pattern).is_dir():
            raise CommandError(f"{pattern} is a folder; give its files, such as '{pattern.rstrip('/')}/*.yaml'")
        matches = [pattern] if Path(pattern).exists() else sorted(glob.glob(pattern, recursive=True))
        if not matches:
            raise CommandError(f"there is no configuration file {pattern}")
        found += matches
    if len(found) > MAX_FILES:
        raise CommandError(f"{len(found)} configuration files are more than {MAX_FILES}; put them together")
    return found


def read(file: str) -> Document:
    """Return the content of a file. Raises ``CommandError``, which names the file and the line."""
    try:
        with Path(file).open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
        text = content.decode("utf-8-sig")
    except OSError as e:
        raise CommandError(f"{file} cannot be read: {e.strerror or e}") from e
    except UnicodeDecodeError as e:
        raise CommandError(f"{file} is not UTF-8 text") from e
    if len(content) > MAX_BYTES:
        raise CommandError(f"{file} has more than {MAX_BYTES} bytes; divide it")
    return parse(file, text)


def parse(file: str, text: str) -> Document:
    """Return the content of YAML. ``file`` names it in errors. Raises ``CommandError``."""
    document = Document(file)
    try:
        _check_events(file, text)
        node = yaml.compose(text, Loader=_loader())
        if node is not None and node.tag != "tag:yaml.org,2002:null":
            if not isinstance(node, yaml.MappingNode):
                raise CommandError(f"{file} is no mapping of keys to values")
            document.content = _mapping(document, node, ())
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        raise CommandError(f"{file}{f':{mark.line + 1}' if mark else ''}: not YAML: {e.problem or e.context}") from e
    except (yaml.YAMLError, ValueError) as e:  # ValueError: of impossible dates.
        raise CommandError(f"{file} is not YAML: {str(e).splitlines()[0]}") from e
    return document


def _loader() -> Any:
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _check_events(file: str, text: str) -> None:
    """Refuse what is nested too deeply before anything recurses into it, and what aliases would multiply."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=_loader()):
        place = f"{file}:{event.start_mark.line + 1}" if event.start_mark else file
        match event:
            case yaml.AliasEvent():
                raise CommandError(f"{place}: aliases such as *{event.anchor} are not read; write the value out")
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                depth += 1
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                depth -= 1
            case yaml.DocumentStartEvent():
                documents += 1
            case _:
                pass
        if depth > MAX_DEPTH:
            raise CommandError(f"{place}: nested more than {MAX_DEPTH} levels deep; flatten it")
        if documents > 1:
            raise CommandError(f"{place}: a second document starts; put it into its own file")


def _value(document: Document, node: yaml.Node, path: KeyPath | None) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(document, node, path)
    if isinstance(node, yaml.SequenceNode):
        return [_value(document, item, None) for item in node.value]
    return yaml.constructor.SafeConstructor().construct_object(node)


def _mapping(document: Document, node: yaml.MappingNode, path: KeyPath | None) -> dict[str, Any]:
    """Return a mapping without the keys that have no value: they are as good as absent."""
    found: dict[str, Any] = {}
    seen = set()
    for key_node, value_node in node.value:
        place = f"{document.file}:{key_node.start_mark.line + 1}"
        key = key_node.value
        if key_node.tag != "tag:yaml.org,2002:str":
            raise CommandError(f"{place}: a key is no text; write it in quotes")
        if key in seen:
            raise CommandError(f"{place}: key {key} occurs twice in the same place; keep one")
        seen.add(key)
        inner = None if path is None else (*path, key)
        if inner is not None:
            document.lines[inner] = key_node.start_mark.line + 1
        if (value := _value(document, value_node, inner)) is not None:
            found[key] = value
    return found
