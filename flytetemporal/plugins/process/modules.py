"""Look at loaded modules without touching them: asking a lazy module for an attribute would load it."""

import sys
import types
from collections.abc import Iterator
from typing import Any


def namespaces() -> Iterator[tuple[types.ModuleType, dict[str, Any]]]:
    """Yield each entry of ``sys.modules`` with what it holds so far."""
    for module in list(sys.modules.values()):
        if issubclass(type(module), types.ModuleType):
            yield module, object.__getattribute__(module, "__dict__")


def loaded(name: str) -> types.ModuleType | None:
    """Return a module that has really been loaded."""
    module = sys.modules.get(name)
    return module if type(module) is types.ModuleType else None
