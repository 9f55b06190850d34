"""``python -m faults.deliveries``: notifications and CloudEvents reach their receiver while all processes are killed.

Each end of an execution is notified at least once, with the right signature, and each event is sent at least once,
those of an execution in their order. The receiver itself fails now and then.
"""

import asyncio
import json
import random
import secrets
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import click
from flyteidl.admin import execution_pb2

from faults.calls import CALL_SECONDS, execution_id, retried
from faults.receiver import EVENTS, Accepted, Receiver, receiving
from faults.stage import Stage, staged

KEY = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
ENDS, FAILURES = "/ends", "/failures"
# Workflow, weight, and whether it is aborted, which can come too late.
KINDS = (("engine_only", 6, False), ("failing", 2, False), ("naps", 2, True))
TROUBLE = {ENDS: 0.1, FAILURES: 0.1, EVENTS: 0.01}
MEAN_PAUSE_SECONDS = 0.7
# What was recorded, also after it is sent and deleted.
RECORDED = """
create table faults_recorded (id bigint primary key, execution_name text, kind text);
create function faults_record() returns trigger language plpgsql as
  'begin insert into faults_recorded values (new.id, new.execution_name, new.kind); return new; end';
create trigger faults_record after insert on cloud_events for each row execute function faults_record();
"""


@click.command()
@click.option("--runs", default=100, show_default=True, help="Number of executions.")
@click.option("--seed", type=int, default=None, help="Seed of an earlier run, to repeat it.")
@click.option("--kill-every", default=3.0, show_default=True, help="Mean seconds between kills; 0: no kills.")
def main(**options: Any) -> None:
    """Launch executions while processes are killed, and judge what the receiver has got."""
    sys.exit(0 if run(**options) else 1)


def run(*, runs: int, seed: int | None, kill_every: float) -> bool:
    """Run the executions; print what happened; return whether everything was delivered."""
    seed = secrets.randbelow(10**6) if seed is None else seed
    with receiving(KEY, random.Random(seed), TROUBLE) as receiver:
        settings = {
            "FLYTETEMPORAL_NOTIFICATIONS__WEBHOOK_HOSTS": json.dumps([receiver.url]),
            "FLYTETEMPORAL_NOTIFICATIONS__WEBHOOK_KEYS": json.dumps({"default": KEY}),
            "FLYTETEMPORAL_NOTIFICATIONS__TIMEOUT": "PT2S",
            "FLYTETEMPORAL_NOTIFICATIONS__FIRST_PAUSE": "PT1S",
            "FLYTETEMPORAL_NOTIFICATIONS__LONGEST_PAUSE": "PT10S",
            "FLYTETEMPORAL_EVENTS__SINK": "webhook",
            "FLYTETEMPORAL_EVENTS__WEBHOOK_URL": receiver.url + EVENTS,
        }
        return staged(
            f"deliveries of {runs} executions",
            partial(_work, receiver, runs),
            seed=seed,
            kill_every=kill_every,
            settings=settings,
            prepare=partial(_prepare, receiver),
        )


async def _prepare(receiver: Receiver, stage: Stage) -> list[str]:
    await stage.execute(RECORDED)
    webhooks = [
        {"url": receiver.url + ENDS},
        {"url": receiver.url + FAILURES, "phases": ["FAILED", "ABORTED"]},
    ]
    for workflow, _, _ in KINDS:
        await stage.register(f"told_{workflow}", workflow, {"flytetemporal.io/webhooks": json.dumps(webhooks)})
    return []


async def _work(receiver: Receiver, runs: int, stage: Stage) -> list[str]:
    prefix = f"d{stage.dice.randrange(10**6):06d}x"
    async with asyncio.TaskGroup() as group:
        for number in range(runs):
            [(workflow, _, aborted)] = stage.dice.choices(KINDS, [weight for _, weight, _ in KINDS])
            group.create_task(_one(stage, f"{prefix}{number:03d}", workflow, aborted))
            await asyncio.sleep(stage.dice.expovariate(1 / MEAN_PAUSE_SECONDS))
    problems = await stage.until_ended()
    # What a killed process had taken is due again a minute later.
    problems += await stage.until_none(
        "select id from notifications where state = 'PENDING'", "select id from cloud_events"
    )
    return problems + await _judged(stage, receiver)


async def _one(stage: Stage, name: str, workflow: str, aborted: bool) -> None:
    await stage.launch(name, f"told_{workflow}")
    if aborted:
        request = execution_pb2.ExecutionTerminateRequest(id=execution_id(name), cause="faults")
        await retried(lambda: stage.admin.TerminateExecution(request, timeout=CALL_SECONDS), {"FAILED_PRECONDITION"})


async def _judged(stage: Stage, receiver: Receiver) -> list[str]:
    ends = dict(await stage.executions.query("select execution_name, phase from executions"))
    query = stage.executions.query
    recorded = dict(await query("select id, execution_name from faults_recorded"))
    calls = list(receiver.accepted)
    notices, events = ([call for call in calls if (call.path == EVENTS) == is_event] for is_event in (False, True))
    print(
        f"  {len(ends)} executions; {len(notices)} notifications and {len(events)} events of {len(recorded)} arrived; "
        f"the receiver failed {receiver.failed} times"
    )
    failed = await query("select execution_name, problem from notifications where state <> 'DELIVERED'")
    return [
        *(f"a notification of {name} was given up: {problem}" for name, problem in failed),
        *judge_notices(notices, ends),
        *judge_events(events, recorded, ends),
    ]


def judge_notices(calls: Sequence[Accepted], ends: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the notifications that have arrived. ``ends``: the phases of the executions."""
    problems = [f"notification {call.identifier}: {call.problem}" for call in calls if call.problem]
    found: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for call in calls:
        data = call.document["data"]
        found[data["execution"]["name"], data["phase"], call.path].add(call.identifier)
    expected = {(name, phase, ENDS) for name, phase in ends.items()}
    expected |= {(name, phase, FAILURES) for name, phase in ends.items() if phase in ("FAILED", "ABORTED")}
    problems += [f"notification {' '.join(key)} was lost" for key in sorted(expected - set(found))]
    problems += [f"notification {' '.join(key)} is not owed" for key in sorted(set(found) - expected)]
    problems += [f"notification {' '.join(key)} has {len(ids)} ids" for key, ids in found.items() if len(ids) > 1]
    return problems


def judge_events(calls: Sequence[Accepted], recorded: Mapping[int, str], ends: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the events that have arrived. ``recorded``: their rows with their executions."""
    arrived: dict[int, Accepted] = {}
    for call in calls:
        arrived.setdefault(int(call.identifier.rpartition(".")[2]), call)
    problems = [f"event {row} of {recorded[row]} was lost" for row in sorted(set(recorded) - set(arrived))]
    problems += [f"event {row} was not recorded" for row in sorted(set(arrived) - set(recorded))]
    by_execution: dict[str, list[int]] = defaultdict(list)
    for row in arrived:  # In the order in which each arrived first.
        by_execution[recorded.get(row, "")].append(row)
    for name, phase in ends.items():
        rows = by_execution[name]
        if rows != sorted(rows):
            problems.append(f"the events of {name} arrived in the order {rows}")
        problems += _incomplete(name, phase, [arrived[row] for row in sorted(rows)])
    return problems


def _incomplete(name: str, phase: str, events: Iterable[Accepted]) -> list[str]:
    """Return a problem unless the first event says that the execution was created, and one how it ended."""
    told = [
        (event.document["type"].rpartition(".")[2], event.document["data"].get("rawEvent", {}).get("phase"))
        for event in events
    ]
    problems = [] if told and told[0][0] == "ExecutionStart" else [f"the first event of {name} is not its start"]
    if ("WorkflowExecution", phase) not in told:
        problems.append(f"no event of {name} says that it is {phase}")
    return problems


if __name__ == "__main__":
    main()
