"""Inspect loaded modules without changing them: reading an attribute of a lazy module would load it."""

import sys
import types
from collections.abc import Iterator
from typing import Any


def namespaces() -> Iterator[tuple[types.ModuleType, dict[str, Any]]]:
    """Yield each module in ``sys.modules`` with its namespace."""
    for module in list(sys.modules.values()):
        if issubclass(type(module), types.ModuleType):
            yield module, object.__getattribute__(module, "__dict__")


def loaded(name: str) -> types.ModuleType | None:
    """Return a module if it has been loaded and is not lazy, else None."""
    module = sys.modules.get(name)
    return module if type(module) is types.ModuleType else None
