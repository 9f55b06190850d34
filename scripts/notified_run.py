"""The part of the demo in which an execution reports its end by email, to a local SMTP server."""

import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flyteidl.admin import execution_pb2
from flyteidl.core import identifier_pb2

from flytetemporal.cli import admin_calls
from flytetemporal.cli.endpoints import Endpoint
from scripts.mail_catcher import Caught

ROOT = Path(__file__).resolve().parent.parent
CREATE = "/flyteidl.service.AdminService/CreateExecution"
PROJECT, DOMAIN, PLAN = "flytesnacks", "development", "watched_counting"
EXPECTED = 2
WAIT_SECONDS = 60.0


def run(state: Mapping[str, Any], caught: Caught) -> list[str]:
    """Launch a launch plan that notifies two people; return a line for each email."""
    version = secrets.token_hex(4)
    pyflyte = [str(Path(sys.executable).with_name("pyflyte")), "-c", state["client_config"]]
    place = ["--project", PROJECT, "--domain", DOMAIN, "--version", version]
    subprocess.run(
        [*pyflyte, "register", *place, "examples/notified.py"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    plan = identifier_pb2.Identifier(
        resource_type=identifier_pb2.LAUNCH_PLAN, project=PROJECT, domain=DOMAIN, name=PLAN, version=version
    )
    request = execution_pb2.ExecutionCreateRequest(
        project=PROJECT, domain=DOMAIN, name="demonotified", spec=execution_pb2.ExecutionSpec(launch_plan=plan)
    )
    admin_calls.call(Endpoint(state["grpc_endpoint"]), CREATE, request, execution_pb2.ExecutionCreateResponse)
    deadline = time.monotonic() + WAIT_SECONDS
    while len(caught.emails) < EXPECTED:
        if time.monotonic() > deadline:
            raise SystemExit(f"{len(caught.emails)} of {EXPECTED} emails came within {WAIT_SECONDS:.0f} s")
        time.sleep(0.1)
    return sorted(f"{email['To']} got an email: {email['Subject']}" for email in caught.emails)
