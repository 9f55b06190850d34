"""The part of the demo in which ten days of a schedule are launched after the fact."""

import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flyteidl.core import identifier_pb2

from flytetemporal.cli import admin_calls
from flytetemporal.cli.commands.backfills.controls import OPERATIONS
from flytetemporal.cli.endpoints import Endpoint
from flytetemporal.cli.views import backfills as views
from flytetemporal.contracts.v1 import backfills_pb2
from flytetemporal.idl import times

ROOT = Path(__file__).resolve().parent.parent
PROJECT, DOMAIN, VERSION = "flytesnacks", "development", "demo"
PLAN = identifier_pb2.Identifier(project=PROJECT, domain=DOMAIN, name="every_morning", version=VERSION)
START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 11, tzinfo=UTC)
DAYS, PARALLEL = 10, 3
WAIT_SECONDS = 120.0


def run(state: Mapping[str, Any]) -> backfills_pb2.Backfill:
    """Register the launch plan, launch ten of its days, and return the backfill once it is over."""
    command = [str(Path(sys.executable).with_name("pyflyte")), "-c", state["client_config"], "register"]
    place = ["--project", PROJECT, "--domain", DOMAIN, "--version", VERSION, "examples/reporting.py"]
    subprocess.run([*command, *place], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    request = backfills_pb2.StartBackfillRequest(
        launch_plan=PLAN,
        start=times.timestamp(START),
        end=times.timestamp(END),
        parallel=PARALLEL,
        started_by="the demo",
    )
    endpoint = Endpoint(state["grpc_endpoint"])
    path = f"{OPERATIONS}StartBackfill"
    started = admin_calls.call(endpoint, path, request, backfills_pb2.StartBackfillResponse)
    wanted = backfills_pb2.GetBackfillRequest(id=started.backfill.id)
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        found = admin_calls.call(endpoint, f"{OPERATIONS}GetBackfill", wanted, backfills_pb2.Backfill)
        if found.HasField("ended_at"):
            return found
        time.sleep(0.2)
    raise SystemExit(f"backfill {wanted.id.name} did not end within {WAIT_SECONDS:.0f} s")


def is_complete(found: backfills_pb2.Backfill) -> bool:
    """Whether every day has succeeded."""
    return found.counts.succeeded == DAYS


def line(found: backfills_pb2.Backfill) -> str:
    """Return what the backfill has done."""
    return f"backfill {found.id.name}, {PARALLEL} days at once: {views.progress(found.counts)}"
