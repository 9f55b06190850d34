"""Each row of the comparisons with what Flyte does about launch plans that run themselves names a test that exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/compatibility.md").read_text()
# The headings, with the number of rows that each has at least.
SECTIONS = {
    "### Schedules": 19,
    "### Backfills": 10,
    "### Triggers": 8,
    "### Retention": 9,
    "## Notifications": 14,
    "## Events out": 8,
}


def rows(heading: str) -> list[str]:
    section = re.split(r"\n##", PAGE.split(f"\n{heading}\n")[1])[0]
    return [line for line in section.splitlines() if line.startswith("| ") and "|---" not in line][1:]


@pytest.mark.parametrize("row", [row for heading in SECTIONS for row in rows(heading)])
def test_a_row_names_a_test(row: str) -> None:
    found = re.fullmatch(r"\|.*\| `([\w/.]+)::(?:\w+\.)?(\w+)` \|", row)
    assert found is not None
    assert f"def {found[2]}(" in (ROOT / found[1]).read_text()


@pytest.mark.parametrize(("heading", "number"), SECTIONS.items())
def test_there_is_a_row_for_each_difference(heading: str, number: int) -> None:
    assert len(rows(heading)) >= number
