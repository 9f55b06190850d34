"""Several configuration files become one, as Flyte's do: key by key, later files win."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.wiring.settings_files import documents, keys
from flytetemporal.cli.wiring.settings_files.documents import Document, KeyPath


@dataclass(slots=True)
class Merged:
    """The content of all files, and the file and line of each key."""

    content: dict[str, Any] = field(default_factory=dict)
    places: dict[KeyPath, str] = field(default_factory=dict)

    def place(self, path: KeyPath) -> str:
        """Return the file and line of a key, or of the innermost mapping around it; "" if no file has it."""
        return next((self.places[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.places), "")

    def places_of(self, path: KeyPath) -> list[str]:
        """Return where the value of a key comes from: several places if it is a mapping with keys of several files."""
        value: Any = self.content
        for part in path:
            if not isinstance(value, dict) or part not in value:
                return []
            value = value[part]
        if not isinstance(value, dict) or not value:
            return [self.places[path]]
        return list(dict.fromkeys(place for key in value for place in self.places_of((*path, key))))


def merged(patterns: Sequence[str]) -> Merged:
    """Return the content of all files that the patterns match.

    Raises:
        CommandError: a file cannot be read, or has keys that do not exist; all such keys are named.
    """
    found = [documents.read(file) for file in documents.paths(patterns)]
    if wrong := [problem for document in found for problem in keys.problems(document)]:
        raise CommandError("the configuration is not valid:\n" + "\n".join(f"  {problem}" for problem in wrong))
    return merge(found)


def merge(found: Iterable[Document]) -> Merged:
    """Merge files in the order in which they are given. Lists are replaced as a whole."""
    result = Merged()
    for document in found:
        _merge(result.content, document.content)
        result.places |= {path: f"{document.file}:{line}" for path, line in document.lines.items()}
    return result


def _merge(target: dict[str, Any], content: dict[str, Any]) -> None:
    for key, value in content.items():
        before = target.get(key)
        if isinstance(value, dict):
            target[key] = dict(before) if isinstance(before, dict) else {}
            _merge(target[key], value)
        else:
            target[key] = value
