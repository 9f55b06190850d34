"""The part of the demo in which a run stays paused while the whole stack is restarted."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from flyteidl.admin import execution_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2
from google.protobuf.message import Message

from flytetemporal.cli import admin_calls
from flytetemporal.cli.commands import why
from flytetemporal.cli.commands.operators import pause, resume
from flytetemporal.cli.endpoints import Endpoint
from flytetemporal.cli.errors import CommandError
from flytetemporal.contracts.v1 import operations_pb2, pauses_pb2

ROOT = Path(__file__).resolve().parent.parent
GET = "/flyteidl.service.AdminService/GetExecution"
PROJECT, DOMAIN, NAME = "flytesnacks", "development", "demopaused"
ID = identifier_pb2.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name=NAME)
TARGET = pauses_pb2.PauseTarget(project=PROJECT, domain=DOMAIN, name=NAME)
Phase = core_execution_pb2.WorkflowExecution
WAIT_SECONDS = 60.0
R = TypeVar("R", bound=Message)


def begin(state: Mapping[str, Any]) -> str:
    """Start a run of three steps, pause it in the middle, and return who paused it, since when and why."""
    command = [str(Path(sys.executable).with_name("pyflyte")), "-c", state["client_config"], "run", "--remote"]
    place = ["--project", PROJECT, "--domain", DOMAIN, "--name", NAME]
    program = ["examples/durable.py", "durable_workflow", "--seconds", "2"]
    with subprocess.Popen([*command, *place, *program], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        _until(lambda: _phase(state) == Phase.RUNNING)
        request = pauses_pb2.PauseRequest(target=TARGET, reason="the demo restarts the stack", paused_by="the demo")
        _call(state, pause.PAUSE, request, pauses_pb2.PauseResponse)
    _until(lambda: _waits(state))
    return "; ".join(_explained(state).notes)


def finish(state: Mapping[str, Any]) -> str:
    """Find the run as paused as it was, resume it, and return the phase in which it ends."""
    _until(lambda: _waits(state))
    _call(state, resume.RESUME, pauses_pb2.ResumeRequest(target=TARGET), pauses_pb2.ResumeResponse)
    _until(lambda: _phase(state) in (Phase.SUCCEEDED, Phase.FAILED, Phase.ABORTED))
    return Phase.Phase.Name(_phase(state))


def _waits(state: Mapping[str, Any]) -> bool:
    return any(wait.HasField("pause") for wait in _explained(state).waits)


def _explained(state: Mapping[str, Any]) -> operations_pb2.ExplainResponse:
    request = operations_pb2.ExplainRequest(execution_id=ID)
    return _call(state, why.EXPLAIN, request, operations_pb2.ExplainResponse)


def _phase(state: Mapping[str, Any]) -> core_execution_pb2.WorkflowExecution.Phase:
    request = execution_pb2.WorkflowExecutionGetRequest(id=ID)
    try:
        return _call(state, GET, request, execution_pb2.Execution).closure.phase
    except CommandError:  # It has not been created yet.
        return Phase.UNDEFINED


def _call(state: Mapping[str, Any], path: str, request: Message, response: type[R]) -> R:
    return admin_calls.call(Endpoint(state["grpc_endpoint"]), path, request, response)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"{NAME} did not reach the expected state within {WAIT_SECONDS:.0f} s")
        time.sleep(0.1)
