"""The whole stack on a real S3 server: code, inputs, outputs and files go through it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import background_stack
from scripts.s3_server import S3Server
from tests.fixtures.stack import RunningStack

PROGRAM = Path(__file__).parent / "programs" / "on_s3.py"


def test_a_workflow_runs_on_s3(s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTETEMPORAL_STORAGE__OPTIONS", json.dumps(s3_server.settings()))
    home = tmp_path / "home"

    with background_stack.running(home, options=["--store", f"{s3_server.root}/e2e"]) as state:
        stack = RunningStack.of(home, state)
        ran = stack.pyflyte("run", "--remote", "--wait", str(PROGRAM), "wf", "--text", "hello", cwd=tmp_path)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        outputs = subprocess.run(
            [sys.executable, "-c", READ, str(stack.client_config)], capture_output=True, text=True, check=True
        ).stdout

    assert "hello hello" in outputs


READ = """
import sys
from flytekit.configuration import Config
from flytekit.remote import FlyteRemote

remote = FlyteRemote(Config.auto(sys.argv[1]), "flytesnacks", "development")
latest = remote.recent_executions("flytesnacks", "development", limit=1)[0]
execution = remote.sync_execution(remote.fetch_execution(name=latest.id.name), sync_nodes=True)
assert execution.closure.phase == 4, execution.closure.phase
print(execution.outputs["o0"])
"""
