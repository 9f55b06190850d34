"""Each row of the comparison with Flyte's scheduler names a test that exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
SECTION = (ROOT / "docs/compatibility.md").read_text().split("### Schedules\n")[1].split("\n### ")[0]
ROWS = [line for line in SECTION.splitlines() if line.startswith("| ") and "|---" not in line][1:]


@pytest.mark.parametrize("row", ROWS)
def test_a_row_names_a_test(row: str) -> None:
    found = re.fullmatch(r"\|.*\| `([\w/.]+)::(\w+)` \|", row)
    assert found is not None
    assert f"def {found[2]}(" in (ROOT / found[1]).read_text()


def test_there_are_rows() -> None:
    assert len(ROWS) >= 15
