"""`flytetemporal doctor` and `status` say of a real admin what is late, fails or differs."""

from collections.abc import AsyncIterator
from datetime import timedelta

import grpc
import pytest
from sqlalchemy import text

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.temporal_schedules import PREFIX, Schedule
from flytetemporal.admin.upkeep import records, statuses
from flytetemporal.cli.dev import ports
from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.views import control_checks, loops
from flytetemporal.cli.wiring import control_plane
from flytetemporal.config.admin import AdminSettings
from flytetemporal.config.catalog import CatalogSettings
from flytetemporal.contracts.v1 import control_pb2, upkeep_pb2
from flytetemporal.rpc import server
from tests.fixtures.engine import RecordingSchedules

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def channel(deps: Dependencies) -> AsyncIterator[grpc.aio.Channel]:
    settings = AdminSettings(grpc_port=ports.free())
    methods = control_plane.methods(deps, control_plane.signer(deps), control_plane.catalog_of(deps, CatalogSettings()))
    grpc_server = server.grpc_server(methods, settings)
    await grpc_server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{settings.grpc_port}") as opened:
        yield opened
    await grpc_server.stop(0)


async def test_loops_that_run_in_time_are_in_order(deps: Dependencies, channel: grpc.aio.Channel) -> None:
    await records.announce(deps.sessions, {"sweeper": MINUTE, "schedules": MINUTE})

    assert await control_checks.loops(channel) == "2 run in time"


async def test_without_loops_no_control_worker_has_run(channel: grpc.aio.Channel) -> None:
    with pytest.raises(CommandError, match="start a control worker"):
        await control_checks.loops(channel)


async def test_loops_that_are_late_or_fail_are_named_with_what_to_do(
    deps: Dependencies, channel: grpc.aio.Channel
) -> None:
    await records.announce(deps.sessions, {"good": MINUTE, "late": MINUTE, "failing": MINUTE})
    for _ in range(2):
        await records.end(deps.sessions, "failing", MINUTE, {}, "Temporal does not answer")
    await records.end(deps.sessions, "good", MINUTE, {"removed": 2}, "")
    async with deps.sessions.begin() as session:
        await session.execute(text("update upkeep_loops set next_at = now() - interval '1 day' where name = 'late'"))

    with pytest.raises(CommandError) as raised:
        await control_checks.loops(channel)

    failing, late = raised.value.message.split("; ")
    assert failing == "loop failing failed in its last 2 rounds: Temporal does not answer"
    assert late.startswith("loop late is overdue since ")
    assert late.endswith("look whether a control worker runs")
    shown = loops.lines(await statuses.list_loops(deps, upkeep_pb2.ListLoopsRequest()))
    assert [line.split()[0] for line in shown[:4]] == ["LOOP", "failing", "good", "late"]
    assert "2 removed" in shown[2]
    assert shown[4:] == [failing, late]


async def test_schedules_that_differ_are_named(
    deps: Dependencies, schedules: RecordingSchedules, channel: grpc.aio.Channel
) -> None:
    assert "and no others" in await control_checks.schedules(channel)
    nothing = timedelta()
    stale = Schedule(
        argument=control_pb2.LaunchSchedule(),
        crons=("0 * * * *",),
        every=nothing,
        anchor=nothing,
        time_zone="UTC",
        catch_up=nothing,
        jitter=nothing,
    )
    schedules.existing[f"{PREFIX}p:development:gone"] = stale

    with pytest.raises(CommandError, match="Temporal has a schedule for launch plan gone, which has no active version"):
        await control_checks.schedules(channel)
