"""A backfill of 1,000 runs: how long it takes, and what the same executions take when a client launches them."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from flyteidl.admin import launch_plan_pb2
from flyteidl.core import identifier_pb2
from flyteidl.service import admin_pb2_grpc

from bench.executions import DOMAIN, PROJECT
from bench.table import Row
from flytetemporal.cli import admin_calls
from flytetemporal.cli.commands.backfills.controls import OPERATIONS
from flytetemporal.cli.endpoints import Endpoint
from flytetemporal.contracts.v1 import backfills_pb2
from flytetemporal.idl import times

WORKFLOW = "bench.flows.engine_only.echo_diamond"
RUNS, PARALLEL = 1000, 25
START = datetime(2026, 1, 1, tzinfo=UTC)
POLL_SECONDS = 0.5


async def rows(state: Mapping[str, Any], version: str, runs: int = RUNS) -> list[Row]:
    """Backfill hourly times of a workflow of five nodes."""
    plan = identifier_pb2.Identifier(
        resource_type="LAUNCH_PLAN", project=PROJECT, domain=DOMAIN, name="bench_hourly", version=version
    )
    spec = launch_plan_pb2.LaunchPlanSpec(
        workflow_id=identifier_pb2.Identifier(
            resource_type="WORKFLOW", project=PROJECT, domain=DOMAIN, name=WORKFLOW, version=version
        )
    )
    spec.fixed_inputs.literals["a"].scalar.primitive.integer = 1
    spec.entity_metadata.schedule.cron_schedule.schedule = "@hourly"
    async with grpc.aio.insecure_channel(state["grpc_endpoint"]) as channel:
        admin = admin_pb2_grpc.AdminServiceStub(channel)
        await admin.CreateLaunchPlan(launch_plan_pb2.LaunchPlanCreateRequest(id=plan, spec=spec))
    request = backfills_pb2.StartBackfillRequest(
        launch_plan=plan,
        start=times.timestamp(START),
        end=times.timestamp(START + timedelta(hours=runs)),
        parallel=PARALLEL,
        allowed_runs=runs,
    )
    started = time.perf_counter()
    answer = await asyncio.to_thread(_call, state, "StartBackfill", request, backfills_pb2.StartBackfillResponse)
    accepted = time.perf_counter() - started
    wanted = backfills_pb2.GetBackfillRequest(id=answer.backfill.id)
    while True:
        found = await asyncio.to_thread(_call, state, "GetBackfill", wanted, backfills_pb2.Backfill)
        if found.HasField("ended_at"):
            break
        await asyncio.sleep(POLL_SECONDS)
    if found.counts.succeeded != runs:
        raise RuntimeError(f"of {runs} runs of a backfill {found.counts.succeeded} succeeded")
    seconds = time.perf_counter() - started
    return [
        Row(f"backfill of {runs:,} runs, until it is accepted", accepted, "s", "<= 1 s"),
        Row(f"backfill of {runs:,} runs, {PARALLEL} at once", runs / seconds, "executions/s"),
    ]


def _call(state: Mapping[str, Any], method: str, request: Any, response: Any) -> Any:
    return admin_calls.call(Endpoint(state["grpc_endpoint"]), f"{OPERATIONS}{method}", request, response)
