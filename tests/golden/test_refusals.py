"""Our answers to 157 requests, most of them wrong, compared with the answers of Flyte v1.16.8."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.stack import RunningStack

HERE = Path(__file__).parent
THEIRS: dict[str, dict[str, Any]] = json.loads((HERE / "flyte-v1.16.8-answers.json").read_text())

# Flyte accepts these or answers INTERNAL; we refuse them, see docs/compatibility.md.
REFUSED_BY_US = {
    "task: version of 256 characters",
    "task: name of 256 characters",
    "task: get without version",
    "task: get the wrong kind",
    "workflow: two nodes of one id",
    "workflow: node called start-node",
    "plan: every 0 minutes",
    "execution: bad raw output prefix",
    "execution: negative parallelism",
    "upload: filename that climbs",
    "download: another scheme",
    "download: empty",
}
# Flyte refuses these, see docs/compatibility.md: flytekit writes the words that mean @daily and the like.
ACCEPTED_BY_US = {"plan: cron words"}
# The code agrees, the text is ours: Flyte's has a Go value, the text of a library, or a larger diff.
OWN_TEXT = {
    "task: bad cpu quantity",
    "task: another structure under the same id",
    "task: duplicate resource entry",
    "workflow: another structure under the same id",
    "plan: another structure under the same id",
    "project: existing",
}


# The answer depends on what is running, so only the code is compared.
DEPENDS_ON_ROWS = {"list: two filters"}


@pytest.fixture(scope="session")
def answers(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    out = tmp_path_factory.mktemp("refusals") / "answers.json"
    subprocess.run(
        [sys.executable, str(HERE / "refusals.py"), str(stack.client_config), str(out)], check=True, timeout=120
    )
    document: dict[str, dict[str, Any]] = json.loads(out.read_text())
    return document


@pytest.mark.parametrize("name", THEIRS)
def test_the_answer_equals_flytes(answers: dict[str, dict[str, Any]], name: str) -> None:
    theirs, ours = THEIRS[name], answers[name]

    if name in REFUSED_BY_US:
        assert ours["code"] == "INVALID_ARGUMENT"
        assert ours["details"]
    elif name in ACCEPTED_BY_US:
        assert ours["code"] == "OK"
    elif name in DEPENDS_ON_ROWS:
        assert ours["code"] == theirs["code"]
    elif name in OWN_TEXT:
        assert ours["code"] == theirs["code"]
        assert ours["details"]
    else:
        assert ours == theirs


def test_every_recorded_request_was_sent(answers: dict[str, dict[str, Any]]) -> None:
    assert set(answers) == set(THEIRS)
    assert not {name for name, answer in answers.items() if answer["code"] in ("UNKNOWN", "CLIENT", "INTERNAL")}
