import json
import subprocess
import sys

import pytest
import yaml

from flytetemporal.cli import printing
from flytetemporal.contracts.v1 import operations_pb2

ANSWER = operations_pb2.ExplainResponse(phase="RUNNING", notes=["no worker polls"])


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert printing.table(["node", "phase"], [["n0", "SUCCEEDED"], ["n0-0-long", "QUEUED"]]) == [
        "NODE       PHASE",
        "n0         SUCCEEDED",
        "n0-0-long  QUEUED",
    ]


def test_a_table_without_rows_shows_its_titles() -> None:
    assert printing.table(["node", "phase"], []) == ["NODE  PHASE"]


def test_wide_characters_take_two_columns() -> None:
    assert printing.table(["a", "b"], [["日本", "1"], ["x", "2"]]) == ["A     B", "日本  1", "x     2"]


@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb", "a\rb", "\u202egnp.exe", "\ud800"])
def test_what_could_move_the_cursor_is_escaped(text: str) -> None:
    [_, row] = printing.table(["message"], [[text]])
    [field] = printing.fields([("message", text)])

    assert row.isprintable()
    assert field.isprintable()


def test_fields_without_a_value_are_left_out() -> None:
    assert printing.fields([("phase", "FAILED"), ("error", ""), ("id", "f1")]) == ["phase: FAILED", "id:    f1"]


def test_programs_read_the_form_of_the_http_api(capsys: pytest.CaptureFixture[str]) -> None:
    printing.show("json", ANSWER, list)
    as_json = json.loads(capsys.readouterr().out)
    printing.show("yaml", ANSWER, list)
    as_yaml = yaml.safe_load(capsys.readouterr().out)

    assert (
        as_json
        == as_yaml
        == {"phase": "RUNNING", "notes": ["no worker polls"], "waits": [], "more": 0, "revision": "0"}
    )


def test_people_read_lines(capsys: pytest.CaptureFixture[str]) -> None:
    printing.show("table", ANSWER, lambda: ["e1 is RUNNING"])

    assert capsys.readouterr().out == "e1 is RUNNING\n"


def test_no_form_imports_a_client_library() -> None:
    program = (
        "import sys\nfrom flytetemporal.cli import printing\nfrom flytetemporal.contracts.v1 import operations_pb2\n"
        "for form in printing.FORMS:\n"
        "    printing.show(form, operations_pb2.Wait(), lambda: printing.table(['a'], [['b']]))\n"
        "assert not {'flytekit', 'temporalio', 'sqlalchemy', 'starlette', 'pydantic'} & set(sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0
