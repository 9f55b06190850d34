"""What ``flytetemporal cache`` accepts."""

import pytest
from click.testing import CliRunner

from flytetemporal.cli.commands import cache
from flytetemporal.cli.main import main
from flytetemporal.contracts.v1 import cache_operations_pb2 as operations

NOWHERE = ["--endpoint", "127.0.0.1:1"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["evict"], "name an EXECUTION or a --task, or say --all"),
        (["evict", "--version", "v1", "--all"], "--version needs --task"),
        (["ls", "--version", "v1"], "--version needs --task"),
        (["policy", "--max-age", "soon"], "'soon' is no duration; write 90m, 12h or 7d"),
        (["policy", "--max-age", "-1d"], "'-1d' is no duration"),
        (["policy", "--max-age", "999999999w"], "is too long"),
        (["policy", "--max-age", "1d", "--remove"], "say one of them"),
        (["policy", "--version", "v1"], "--version needs --task"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_call(arguments: list[str], problem: str) -> None:
    done = CliRunner().invoke(main, ["cache", *arguments, *NOWHERE])

    assert done.exit_code == 2
    assert problem in done.output


def test_entries_of_map_tasks_name_their_element() -> None:
    found = operations.ListEntriesResponse()
    for index in (0, 1):
        entry = found.entries.add()
        entry.source.node_id, entry.source.execution_id.name = "n0", "e1"
        entry.element.value = index

    assert [line.strip() for line in cache._lines(found)[1:]] == ["e1 n0 [0]", "e1 n0 [1]"]
