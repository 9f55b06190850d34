"""``python -m faults.launches``: a backfill and triggers launch executions while all processes are killed.

Each time of the backfill is launched once, and it ends. Each success of another launch plan, each webhook and each
object under a prefix launches one execution: none is missed, and none doubled.
"""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import click
import httpx
from flyteidl.admin import execution_pb2, launch_plan_pb2
from pydantic import SecretStr

from faults.calls import CALL_SECONDS, DOMAIN, POLL_SECONDS, PROJECT, execution_id, retried
from faults.stage import LAUNCH_PLAN, Stage, staged
from flytetemporal.admin.events.trigger_events import execution_name, source_event_id
from flytetemporal.admin.executions import scheduled_launching
from flytetemporal.admin.notifications.senders import signatures
from flytetemporal.config.webhook_keys import signing_key
from flytetemporal.contracts.v1 import backfills_pb2
from flytetemporal.idl import times

KEY = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
SOURCE, FOLLOWER, HOURLY = "faults_source", "faults_follower", "faults_hourly"
AFTER, PUSHED, ARRIVED = "after-source", "pushed", "arrived"
START = datetime(2026, 1, 1, tzinfo=UTC)
PARALLEL = 5
MEAN_PAUSE_SECONDS = 0.7
Backfills = backfills_pb2.Backfill


@dataclass
class Sent:
    """What the part has caused: the sources, the ids of webhooks, the URIs of objects, and calls that went wrong."""

    sources: list[str] = field(default_factory=list)
    webhooks: list[str] = field(default_factory=list)
    objects: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@click.command()
@click.option("--runs", default=100, show_default=True, help="Times of the backfill, and events of each trigger.")
@click.option("--seed", type=int, default=None, help="Seed of an earlier run, to repeat it.")
@click.option("--kill-every", default=3.0, show_default=True, help="Mean seconds between kills; 0: no kills.")
def main(**options: Any) -> None:
    """Run a backfill and fire triggers while processes are killed, and judge what was launched."""
    sys.exit(0 if run(**options) else 1)


def run(*, runs: int, seed: int | None, kill_every: float) -> bool:
    """Run the backfill and fire the triggers; print what happened; return whether each launched one execution."""
    return staged(
        f"a backfill of {runs} times and {runs} events per trigger",
        partial(_work, runs),
        seed=seed,
        kill_every=kill_every,
        settings={"FLYTETEMPORAL_TRIGGERS__WEBHOOK_KEYS": json.dumps({"ci": KEY})},
        prepare=_prepare,
    )


async def _prepare(stage: Stage) -> list[str]:
    triggers = [
        {"name": AFTER, "success": SOURCE},
        {"name": PUSHED, "webhook": "ci"},
        {"name": ARRIVED, "prefix": _folder(stage), "existing": True},
    ]
    await stage.register(SOURCE, "naps", {})
    await stage.register(FOLLOWER, "engine_only", {"flytetemporal.io/triggers": json.dumps(triggers)})
    await stage.register(HOURLY, "engine_only", {}, cron="@hourly")
    active = launch_plan_pb2.LaunchPlanUpdateRequest(
        id=stage.identifier(LAUNCH_PLAN, FOLLOWER), state=launch_plan_pb2.ACTIVE
    )
    await stage.admin.UpdateLaunchPlan(active)
    return []


def _folder(stage: Stage) -> str:
    return f"{stage.state['store']}/incoming"


async def _work(runs: int, stage: Stage) -> list[str]:
    sent = Sent()
    async with asyncio.TaskGroup() as group:
        backfill = group.create_task(_backfill(stage, runs))
        group.create_task(_sources(stage, runs, sent))
        group.create_task(_webhooks(stage, runs, sent))
        group.create_task(_objects(stage, runs, sent))
    ended = await stage.until_ended()
    # Followers are launched by rounds of loops, after the ends of their sources and the objects were seen.
    ended += await stage.until(partial(_all_seen, stage, sent), "not every event has been seen")
    ended += await stage.until_none("select id from trigger_events where state = 'PENDING'")
    ended += await stage.until_ended()
    return [*backfill.result(), *sent.problems, *ended, *await _judged(stage, runs, sent)]


async def _judged(stage: Stage, runs: int, sent: Sent) -> list[str]:
    query = stage.executions.query
    phases = {name: (plan, phase) for name, plan, phase in await query(EXECUTIONS)}
    events = [(trigger, event, name, state) for trigger, event, name, state in await query(EVENTS)]
    print(f"  {len(phases)} executions, of triggers {dict(Counter((event[0], event[3]) for event in events))}")
    times_of_runs = [(when, state, name) for when, state, name in await query(BACKFILL_RUNS)]
    hourly = stage.identifier(LAUNCH_PLAN, HOURLY)
    wanted = {
        scheduled_launching.execution_name(hourly, int(when.timestamp())): when
        for when in (START + timedelta(hours=number) for number in range(runs))
    }
    return [*judge_backfill(wanted, times_of_runs, phases), *judge_triggers(sent, events, phases)]


EXECUTIONS = """
select e.execution_name, p.name, e.phase from executions e join launch_plans p on p.id = e.launch_plan_id
"""
EVENTS = (
    "select t.name, e.event_id, e.execution_name, e.state from trigger_events e join triggers t on t.id = e.trigger_id"
)
BACKFILL_RUNS = "select scheduled_at, state, execution_name from backfill_runs"


async def _all_seen(stage: Stage, sent: Sent) -> bool:
    rows = await stage.executions.query(EVENTS)
    succeeded = await stage.executions.query(
        f"select e.execution_name from ({EXECUTIONS}) e where e.name = '{SOURCE}' and e.phase = 'SUCCEEDED'"
    )
    return len(rows) >= len(succeeded) + len(sent.webhooks) + len(sent.objects)


async def _backfill(stage: Stage, runs: int) -> list[str]:
    """Start the backfill twice, pause and resume it once, and wait for its end."""
    request = backfills_pb2.StartBackfillRequest(
        launch_plan=stage.identifier(LAUNCH_PLAN, HOURLY),
        start=times.timestamp(START),
        end=times.timestamp(START + timedelta(hours=runs)),
        parallel=PARALLEL,
        request_id="faults",
    )
    await stage.operate("StartBackfill", request, backfills_pb2.StartBackfillResponse)
    started = await stage.operate("StartBackfill", request, backfills_pb2.StartBackfillResponse)
    identifier = started.backfill.id
    for state in (Backfills.PAUSED, Backfills.RUNNING):
        await asyncio.sleep(stage.dice.uniform(1, 6))
        change = backfills_pb2.SetBackfillStateRequest(id=identifier, state=state, changed_by="faults")
        # A small backfill can be over before it is paused.
        await stage.operate(
            "SetBackfillState", change, backfills_pb2.SetBackfillStateResponse, expected={"FAILED_PRECONDITION"}
        )
    wanted = backfills_pb2.GetBackfillRequest(id=identifier)

    async def is_over() -> bool:
        found = await stage.operate("GetBackfill", wanted, Backfills)
        return bool(found.HasField("ended_at"))

    return await stage.until(is_over, "the backfill is not over")


async def _sources(stage: Stage, runs: int, sent: Sent) -> None:
    """Launch executions whose success is an event, and abort some, which can come too late."""
    for number in range(runs):
        name = f"s{stage.version[-8:]}x{number:03d}"
        sent.sources.append(name)
        await stage.launch(name, SOURCE)
        if stage.dice.random() < 0.2:
            request = execution_pb2.ExecutionTerminateRequest(id=execution_id(name), cause="faults")
            await retried(
                partial(stage.admin.TerminateExecution, request, timeout=CALL_SECONDS), {"FAILED_PRECONDITION"}
            )
        await _pause(stage)


async def _webhooks(stage: Stage, runs: int, sent: Sent) -> None:
    """Send webhooks until each has an answer, and some of them again."""
    url = f"{stage.state['http_url']}/api/v1/triggers/{PROJECT}/{DOMAIN}/{FOLLOWER}/{PUSHED}"
    async with httpx.AsyncClient(timeout=CALL_SECONDS) as client:
        for number in range(runs):
            delivery = f"{stage.version}-{number}"
            sent.webhooks.append(delivery)
            for _ in range(stage.dice.choice((1, 1, 2))):
                sent.problems += await _post(client, url, delivery)
            await _pause(stage)


async def _post(client: httpx.AsyncClient, url: str, delivery: str) -> list[str]:
    body = b"{}"
    while True:
        headers = signatures.headers(signing_key(SecretStr(KEY)), delivery, datetime.now(UTC), body)
        try:
            answer = await client.post(url, content=body, headers=headers)
        except httpx.HTTPError:  # It may have arrived.
            await asyncio.sleep(POLL_SECONDS)
            continue
        if answer.status_code in (200, 202):
            return []
        if answer.status_code < 500:
            return [f"webhook {delivery} was answered {answer.status_code} {answer.text[:200]}"]
        await asyncio.sleep(POLL_SECONDS)


async def _objects(stage: Stage, runs: int, sent: Sent) -> None:
    """Write objects under the prefix."""
    folder, outside = Path(_folder(stage)), stage.notes / "written"
    for number in range(runs):
        file = folder / f"{stage.dice.randrange(10**6):06d}-{number}.csv"
        sent.objects.append(str(file))
        await asyncio.to_thread(_write, file, outside)
        await _pause(stage)


def _write(file: Path, outside: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    outside.write_text("1,2\n")
    os.replace(outside, file)  # As an object store does: the object is there as a whole or not at all.


async def _pause(stage: Stage) -> None:
    await asyncio.sleep(stage.dice.expovariate(1 / MEAN_PAUSE_SECONDS))


def judge_backfill(
    wanted: Mapping[str, datetime],
    runs: Sequence[tuple[datetime, str, str]],
    executions: Mapping[str, tuple[str, str]],
) -> list[str]:
    """Return what is wrong with a backfill: its times, as rows and as executions by their launch plan and phase."""
    found = {name: state for _, state, name in runs}
    problems = [f"run {name} is {state}" for name, state in found.items() if state != "SUCCEEDED"]
    problems += [f"run {name} has no time" for name in found if name not in wanted]
    if len(runs) != len(wanted):
        problems.append(f"{len(wanted)} times have {len(runs)} runs")
    launched = {name: phase for name, (plan, phase) in executions.items() if plan == HOURLY}
    problems += [
        f"time {when:%Y-%m-%dT%H:%M} was not launched" for name, when in wanted.items() if name not in launched
    ]
    problems += [f"{name} belongs to no time" for name in sorted(set(launched) - set(wanted))]
    return problems + _not_succeeded(launched)


def judge_triggers(
    sent: Sent, events: Sequence[tuple[str, str, str, str]], executions: Mapping[str, tuple[str, str]]
) -> list[str]:
    """Return what is wrong with the executions of triggers. ``events``: trigger, id, execution and state of each."""
    succeeded = [name for name in sent.sources if executions.get(name, ("", ""))[1] == "SUCCEEDED"]
    problems = [f"source {name} was lost" for name in sent.sources if name not in executions]
    problems += _compared(AFTER, (source_event_id((PROJECT, DOMAIN, name)) for name in succeeded), events)
    problems += _compared(PUSHED, sent.webhooks, events)
    # The id of an object's event ends with its version, which only the store knows.
    problems += _compared(
        ARRIVED, sent.objects, [(one, event.rpartition("@")[0], *rest) for one, event, *rest in events]
    )
    problems += [f"event {event} of {trigger} is {state}" for trigger, event, _, state in events if state != "LAUNCHED"]
    names = {execution_name((PROJECT, DOMAIN, FOLLOWER, trigger), event): event for trigger, event, *_ in events}
    launched = {name: phase for name, (plan, phase) in executions.items() if plan == FOLLOWER}
    problems += [f"event {names[name]} launched nothing" for name in sorted(set(names) - set(launched))]
    problems += [f"{name} belongs to no event" for name in sorted(set(launched) - set(names))]
    return problems + _not_succeeded(launched)


def _compared(trigger: str, wanted: Iterable[str], events: Iterable[tuple[str, ...]]) -> list[str]:
    found, expected = Counter(event for one, event, *_ in events if one == trigger), Counter(wanted)
    problems = [f"{trigger} has missed {event}" for event in expected - found]
    return problems + [f"{trigger} has {found[event]} events for {event}" for event in found - expected]


def _not_succeeded(phases: Mapping[str, str]) -> list[str]:
    return [f"{name} is {phase}" for name, phase in phases.items() if phase != "SUCCEEDED"]


if __name__ == "__main__":
    main()
