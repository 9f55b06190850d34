"""Paths and names in backticks in Markdown files, such as `flytetemporal/errors.py` or `a/module.py::Class.method`.

A reference is checked if it starts with one of the folders in ``FOLDERS``, or with a package of flytetemporal. A name
of a Python file must be defined in it at the top level, or in the class before the dot; a name of any other file must
occur in it.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("flytetemporal", "tests", "protos", "docs", "scripts", "examples", "bench", "clusters", "faults")
_CODE_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
PACKAGES = tuple(sorted(path.parent.name for path in ROOT.glob("flytetemporal/*/__init__.py")))
_REFERENCE = re.compile(rf"`((?:{'|'.join((*FOLDERS, *PACKAGES))})/[\w./-]*)(?:::([\w.]+))?`")


def references(text: str) -> Iterator[tuple[str, str]]:
    """Yield each path in backticks outside code blocks, with the name after ``::``, else an empty string."""
    for match in _REFERENCE.finditer(_CODE_BLOCK.sub("", text)):
        yield match[1], match[2] or ""


def missing(text: str) -> list[str]:
    """Return what the text mentions and the checkout does not have.

    A module may be written without its suffix, as in `flytetemporal/errors`.
    """
    problems = []
    for path, name in references(text):
        root = ROOT / "flytetemporal" if path.split("/")[0] in PACKAGES else ROOT
        found = next((file for file in (root / path, root / f"{path}.py") if file.exists()), None)
        if found is None:
            problems.append(f"{path} does not exist")
        elif name and not _has(found, name):
            problems.append(f"{path} has no {name}")
    return problems


def _has(file: Path, name: str) -> bool:
    text = file.read_text()
    if file.suffix != ".py":
        return name.rpartition(".")[2] in text
    scope: ast.Module | ast.ClassDef = ast.parse(text)
    *outer, last = name.split(".")
    for part in outer:
        inner = next((node for node in scope.body if isinstance(node, ast.ClassDef) and node.name == part), None)
        if inner is None:
            return False
        scope = inner
    return last in set(_defined(scope))


def _defined(scope: ast.Module | ast.ClassDef) -> Iterator[str]:
    for node in scope.body:
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case _:
                pass
