"""The part of the demo in which a failed run is forked into a version of its code in which the bug is fixed."""

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flyteidl.core import identifier_pb2

from flytetemporal.cli import admin_calls
from flytetemporal.cli.commands import fork
from flytetemporal.cli.endpoints import Endpoint
from flytetemporal.contracts.v1 import fork_pb2

ROOT = Path(__file__).resolve().parent.parent
BROKEN, FIXED, VERSION = "raise ValueError(message)", "return message", "fixed"


def begin(
    state: Mapping[str, Any], source: identifier_pb2.WorkflowExecutionIdentifier
) -> tuple[identifier_pb2.WorkflowExecutionIdentifier, str]:
    """Register the program with its bug fixed and fork ``source`` into it; return the fork, and what became of nodes.

    Raises:
        SystemExit: pyflyte does not register it.
    """
    program = (ROOT / "examples/forked.py").read_text()
    with tempfile.TemporaryDirectory(prefix="flytetemporal-demo-fix-") as folder:
        path = Path(folder) / "forked.py"
        path.write_text(program.replace(BROKEN, FIXED))
        command = [str(Path(sys.executable).with_name("pyflyte")), "-c", state["client_config"], "register"]
        place = ["--project", source.project, "--domain", source.domain, "--version", VERSION]
        done = subprocess.run([*command, *place, str(path)], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the fixed program was not registered:\n{done.stdout}{done.stderr}")
    request = fork_pb2.ForkRequest(execution_id=source, version=VERSION, forked_by="the demo")
    made = admin_calls.call(Endpoint(state["grpc_endpoint"]), fork.FORK, request, fork_pb2.ForkResponse)
    return made.execution_id, f"{made.reused} nodes were reused, {made.run_again} ran"
