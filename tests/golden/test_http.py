"""Our HTTP answers to 49 requests, compared with the answers of Flyte v1.16.8."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.stack import RunningStack

HERE = Path(__file__).parent
THEIRS: dict[str, dict[str, Any]] = json.loads((HERE / "flyte-v1.16.8-http.json").read_text())

# The rows depend on earlier registrations, so only their shape is compared.
SHAPE_ONLY = {
    "projects",
    "executions, unknown query key",
    "executions, filter and sort",
    "executions, camelCase sort key",
    "workflow ids",
    "workflow versions",
    "named entities",
    "named entities by number",
    "project",
    "version",
    "openapi",
}
# Status and code agree; the text comes from our JSON parser.
OWN_TEXT = {"create, unknown field", "user info"}
# See docs/compatibility.md.
OWN_ANSWER = {"oauth metadata", "client config"}
# Flyte allows every origin, with credentials; we allow configured ones, and this stack configures none.
OTHER_ORIGINS = {"cross-origin preflight": 400, "cross-origin get": 200}


@pytest.fixture(scope="session")
def answers(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    out = tmp_path_factory.mktemp("http") / "answers.json"
    version = "httpanswers"
    registered = stack.pyflyte(
        "register",
        "--image",
        "local/none:1",
        "-p",
        "flytesnacks",
        "-d",
        "development",
        "--version",
        version,
        "cases",
        cwd=HERE,
    )
    assert registered.returncode == 0, registered.stdout + registered.stderr
    command = [
        sys.executable,
        str(HERE / "http_answers.py"),
        str(stack.client_config),
        stack.http_url,
        version,
        str(out),
    ]
    subprocess.run([*command, stack.store], check=True, timeout=120)
    document: dict[str, dict[str, Any]] = json.loads(out.read_text())
    return document


def keys(body: Any) -> Any:
    """Return the names in a body and in the first of its rows."""
    rows = next((value for value in body.values() if isinstance(value, list)), []) if isinstance(body, dict) else []
    return (sorted(body) if isinstance(body, dict) else type(body), sorted(rows[0]) if rows else [])


@pytest.mark.parametrize("name", THEIRS)
def test_the_answer_equals_flytes(answers: dict[str, dict[str, Any]], name: str) -> None:
    theirs, ours = dict(THEIRS[name]), dict(answers[name])
    theirs.pop("note", None)

    # Answers differ by origin, which caches between client and server have to know.
    ours["headers"].pop("vary", None)
    if name in OTHER_ORIGINS:
        assert ours["status"] == OTHER_ORIGINS[name]
        assert "access-control-allow-origin" not in ours["headers"]
        return
    if name in OWN_ANSWER:
        assert ours["status"] in (200, 501)
        return
    assert (ours["status"], ours["headers"]) == (theirs["status"], theirs["headers"])
    if name in OWN_TEXT:
        assert ours["body"]["code"] == theirs["body"]["code"]
    elif name in SHAPE_ONLY:
        assert keys(ours["body"]) == keys(theirs["body"]) or name in ("openapi", "named entities")
    else:
        assert ours["body"] == theirs["body"]
