"""The form of the documentation; scripts/check_docs.py runs the commands in it."""

import itertools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_SEPARATOR = re.compile(r"\|(\s*:?-+:?\s*\|)+")
_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_table_has_its_titles_and_no_row_is_cut_off(page: Path) -> None:
    lines = _CODE.sub("", page.read_text()).splitlines()
    blocks = [list(block) for is_row, block in itertools.groupby(lines, lambda line: line.startswith("|")) if is_row]

    broken = [block[0] for block in blocks if len(block) < 2 or not _SEPARATOR.fullmatch(block[1].strip())]

    assert not broken, "markdown shows these as text: a blank line before a row ends the table"
