"""``flytetemporal dev --auth``: users of different roles run workflows with stock pyflyte, and tasks call admin."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from flytetemporal.cli.dev.local_users import PASSWORD_VARIABLE
from scripts import background_stack
from tests.fixtures.stack import RunningStack
from tests.fixtures.waiting import HANG_SECONDS

PROGRAMS = Path(__file__).parent / "programs"
ROOT = Path(__file__).parents[2]
PASSWORD = "a password for tests"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    home = tmp_path_factory.mktemp("signed-in")
    with pytest.MonkeyPatch.context() as environment, (home / "dev.log").open("wb") as output:
        environment.setenv(PASSWORD_VARIABLE, PASSWORD)
        with background_stack.running(home / "home", options=("--auth",), output=output) as state:
            yield RunningStack.of(home / "home", state)


def pyflyte(stack: RunningStack, user: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run stock pyflyte, whose browser signs the user in."""
    browser = f"{sys.executable} -m tests.fixtures.browser %s &"
    signed_in = {"BROWSER": browser, "TEST_BROWSER_USER": user, "TEST_BROWSER_PASSWORD": PASSWORD}
    return subprocess.run(
        [Path(sys.executable).with_name("pyflyte"), "-c", stack.client_config, *arguments],
        cwd=PROGRAMS,
        env={**os.environ, **signed_in, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )


@pytest.mark.parametrize(
    ("program", "arguments"), [("on_s3", ("wf", "--text", "hello")), ("eager", ("sums", "--a", "1"))]
)
def test_a_developer_runs_workflows_and_their_tasks_call_admin(
    stack: RunningStack, program: str, arguments: tuple[str, ...]
) -> None:
    ran = pyflyte(stack, "developer", "run", "--remote", "--wait", f"{program}.py", *arguments)

    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_viewer_is_refused_with_what_is_missing(stack: RunningStack) -> None:
    ran = pyflyte(stack, "viewer", "run", "--remote", "on_s3.py", "wf", "--text", "hello")

    # pyflyte draws a box around the error, and breaks its lines.
    said = " ".join((ran.stdout + ran.stderr).replace("│", " ").split())
    assert ran.returncode != 0
    assert "PERMISSION_DENIED" in said
    assert "[viewer] lacks the permission" in said
    assert "ask an administrator of the project" in said


def test_without_sign_in_nothing_is_served(stack: RunningStack) -> None:
    answer = httpx.get(f"{stack.http_url}/api/v1/projects")

    assert answer.status_code == 401
    assert "sign in" in answer.json()["message"]
