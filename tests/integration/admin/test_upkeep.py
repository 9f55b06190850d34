"""Rounds of loops are recorded, whatever they end with, and operators see which loops are late."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from temporalio.testing import ActivityEnvironment

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.upkeep import loops as upkeep
from flytetemporal.admin.upkeep import records, statuses
from flytetemporal.admin.upkeep.loops import Found, Loop, UpkeepActivities
from flytetemporal.contracts.v1 import upkeep_pb2

HOUR = timedelta(hours=1)


class Scripted:
    """A loop whose rounds find, or raise, one thing after another."""

    def __init__(self, *ends: Found | Exception, name: str = "tests", interval: timedelta = HOUR) -> None:
        self._ends = list(ends)
        self.loop = Loop(name, interval, self._round)

    async def _round(self) -> Found:
        end = self._ends.pop(0)
        if isinstance(end, Exception):
            raise end
        return end


async def run(deps: Dependencies, *loops: Loop, name: str = "tests") -> upkeep_pb2.UpkeepRound:
    activities = UpkeepActivities(deps.sessions, loops)
    return await ActivityEnvironment().run(activities.upkeep_round, upkeep_pb2.UpkeepLoop(name=name))


async def listed(deps: Dependencies) -> Mapping[str, upkeep_pb2.LoopStatus]:
    found = await statuses.list_loops(deps, upkeep_pb2.ListLoopsRequest())
    return {loop.name: loop for loop in found.loops}


async def shift(deps: Dependencies, column: str, by: str) -> None:
    async with deps.sessions.begin() as session:
        await session.execute(text(f"update upkeep_loops set {column} = {column} + cast(:by as interval)"), {"by": by})


async def test_a_round_is_recorded_with_what_it_found_and_when_the_next_one_starts(deps: Dependencies) -> None:
    scripted = Scripted(Found({"removed": 2}), Found())

    done = await run(deps, scripted.loop)
    loop = (await listed(deps))["tests"]

    assert done.wait.ToTimedelta() == loop.interval.ToTimedelta() == HOUR
    assert (dict(loop.found), loop.rounds, loop.error) == ({"removed": 2}, 1, "")
    assert loop.next_at.ToDatetime() - loop.ended_at.ToDatetime() == HOUR
    assert not loop.is_running
    assert not loop.is_overdue

    await run(deps, scripted.loop)
    loop = (await listed(deps))["tests"]
    assert (dict(loop.found), dict(loop.last_found), loop.rounds) == ({}, {"removed": 2}, 2)
    assert loop.last_found_at.ToDatetime() < loop.ended_at.ToDatetime()


async def test_a_loop_whose_rounds_fail_goes_on_and_shows_the_error(deps: Dependencies) -> None:
    scripted = Scripted(errors.Unavailable("Temporal does not answer"), KeyError("x"), Found(error="half"), Found())

    for number, error in enumerate(["Temporal does not answer", "KeyError: 'x'", "half"], 1):
        done = await run(deps, scripted.loop)
        loop = (await listed(deps))["tests"]
        assert done.wait.ToTimedelta() == HOUR
        assert (loop.error, loop.failed_rounds) == (error, number)

    await run(deps, scripted.loop)
    loop = (await listed(deps))["tests"]
    assert (loop.error, loop.failed_rounds, loop.rounds) == ("", 0, 4)


async def test_a_round_that_hangs_is_stopped(deps: Dependencies, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "ROUND_LIMIT", timedelta(0))
    scripted = Scripted(Found({"never": 1}))

    async def hang() -> Found:
        async with deps.sessions() as session:
            await session.execute(text("select pg_sleep(60)"))
        return await scripted.loop.round()

    await run(deps, Loop("tests", HOUR, hang))

    assert "the round was stopped" in (await listed(deps))["tests"].error


async def test_a_round_that_stopped_at_a_bound_is_followed_at_once(deps: Dependencies) -> None:
    done = await run(deps, Scripted(Found({"removed": 1000}, more=True)).loop)

    assert done.wait.ToTimedelta() == upkeep.SHORT_WAIT


async def test_a_loop_that_this_release_does_not_have_ends(deps: Dependencies) -> None:
    assert (await run(deps, Scripted(Found()).loop, name="gone")).unknown
    assert await listed(deps) == {}


async def test_a_round_that_died_with_its_worker_shows_as_running_and_is_overdue_later(deps: Dependencies) -> None:
    await records.begin(deps.sessions, "tests", HOUR)
    loop = (await listed(deps))["tests"]
    assert loop.is_running
    assert not loop.is_overdue

    await shift(deps, "started_at", "-11 minutes")
    assert (await listed(deps))["tests"].is_overdue

    await run(deps, Scripted(Found()).loop)  # Temporal repeats the round.
    loop = (await listed(deps))["tests"]
    assert not loop.is_running
    assert not loop.is_overdue


async def test_a_loop_that_never_ran_is_overdue_after_its_interval(deps: Dependencies) -> None:
    await records.announce(deps.sessions, {"tests": HOUR})
    assert not (await listed(deps))["tests"].is_overdue

    await shift(deps, "next_at", "-62 minutes")

    loop = (await listed(deps))["tests"]
    assert loop.is_overdue
    assert not loop.HasField("started_at")


async def test_a_new_release_forgets_loops_that_have_not_run_for_a_week(deps: Dependencies) -> None:
    await records.announce(deps.sessions, {"old": HOUR, "tests": HOUR})
    await records.announce(deps.sessions, {"tests": 2 * HOUR})
    found = await listed(deps)
    assert sorted(found) == ["old", "tests"]
    assert found["tests"].interval.ToTimedelta() == 2 * HOUR

    await shift(deps, "next_at", "-8 days")
    await records.announce(deps.sessions, {"tests": HOUR})

    assert sorted(await listed(deps)) == ["tests"]


async def test_metrics_count_rounds_and_what_they_found(deps: Dependencies) -> None:
    scripted = Scripted(Found({"removed": 2}), KeyError("x"), name="metered")

    for _ in range(2):
        await run(deps, scripted.loop, name="metered")

    def value(name: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(name, {"loop": "metered", **labels})

    assert value("flytetemporal_upkeep_rounds_total", result="succeeded") == 1
    assert value("flytetemporal_upkeep_rounds_total", result="failed") == 1
    assert value("flytetemporal_upkeep_found_total", found="removed") == 2
    assert value("flytetemporal_upkeep_round_seconds_count") == 2
