"""Migrations are a line each for admin and the catalog. Two that claim the same place are found before any database."""

import re
from collections import Counter
from pathlib import Path

from flytetemporal.db import migrations

VERSIONS = Path(migrations.__path__[0]) / "versions"


def found(name: str) -> list[str]:
    """Return the value of a name in each migration, as it is written."""
    texts = [path.read_text() for path in sorted(VERSIONS.glob("*.py"))]
    return [match[1] for text in texts if (match := re.search(rf"^{name} = (.*)$", text, re.MULTILINE))]


def test_every_migration_has_a_number_of_its_own() -> None:
    assert [number for number, times in Counter(found("revision")).items() if times > 1] == []


def test_every_migration_but_two_is_the_one_before_another() -> None:
    after = Counter(found("down_revision"))

    assert [number for number, times in after.items() if times > 1 and number != "None"] == []
    assert len(set(found("revision")) - set(after)) == 2, "the newest of admin and of the catalog"
