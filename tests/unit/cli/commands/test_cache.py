"""What ``flytetemporal cache`` accepts."""

import pytest
from click.testing import CliRunner

from flytetemporal.cli.main import main

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
