import ast
import inspect
from pathlib import Path

import pytest

from flytetemporal import workflows
from flytetemporal.workflows import versions
from flytetemporal.workflows.versions import Patch

PACKAGE = Path(inspect.getfile(workflows)).parent
CALLS = ("patched", "deprecate_patch")


def calls() -> list[tuple[str, str]]:
    """Return every call that asks for a patch, as file and source of the argument."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in CALLS:
                    found.append((str(path.relative_to(PACKAGE)), ast.unparse(node.args[0])))
    return found


def test_every_call_names_a_listed_patch() -> None:
    listed = {f"Patch.{patch.name}" for patch in Patch}

    assert [call for call in calls() if call[1] not in listed] == []


@pytest.mark.parametrize("patch", Patch)
def test_every_listed_patch_is_used_and_explained(patch: Patch) -> None:
    assert f"Patch.{patch.name}" in {argument for _, argument in calls()}
    assert versions.__doc__ is not None
    assert f"\n``{patch.name}`` " in versions.__doc__


def test_no_two_patches_share_a_marker() -> None:
    assert len({patch.value for patch in Patch}) == len(Patch.__members__)
