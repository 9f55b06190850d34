"""``python -m faults``: start a stack, run the suite on it, print the verdict."""

import asyncio
import contextlib
import json
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from temporalio.client import Client
from temporalio.service import RPCError

from faults import judge
from faults.calls import DOMAIN, PROJECT
from faults.environment import variables
from faults.executions import Executions, Run, chosen, with_followers
from faults.judge import Records, Verdict
from faults.killer import Killer
from faults.kinds import KINDS
from scripts import background_stack, s3_server
from scripts.s3_server import S3Server

HERE = Path(__file__).parent
# About the length of a history of the suite, so that some executions continue as new once, and long ones repeatedly.
HISTORY_EVENTS = 35
OPEN_WORKFLOWS = "WorkflowType = 'ExecutionWorkflow' AND ExecutionStatus = 'Running'"
QUIET_SECONDS = 30.0


@click.command()
@click.option("--runs", default=1000, show_default=True, help="Number of executions.")
@click.option("--seed", type=int, default=None, help="Seed of an earlier run, to repeat it.")
@click.option("--kill-every", default=3.0, show_default=True, help="Mean seconds between kills; 0: no kills.")
@click.option("--store-failures", default=0.01, show_default=True, help="Probability that a write to the store fails.")
@click.option("--concurrency", default=60, show_default=True, help="Executions open at once.")
@click.option(
    "--settle",
    default=600.0,
    show_default=True,
    help="Seconds after which an execution is slow; if it takes that long again without kills, it is stuck.",
)
@click.option("--seconds", default=0.0, show_default=True, help="Stop launching after this time; 0: launch all.")
@click.option(
    "--store",
    "store_kind",
    type=click.Choice(["folder", "s3"]),
    default="folder",
    show_default=True,
    help="Where data is stored: s3 is a real server, which is killed like the others.",
)
@click.option("--keep", is_flag=True, help="Keep the stack's folder if the verdict is not clean.")
def main(**options: Any) -> None:
    """Run executions of every kind while processes are killed, and judge the result."""
    sys.exit(0 if run(**options) else 1)


def run(
    *,
    runs: int,
    seed: int | None,
    kill_every: float,
    store_failures: float,
    concurrency: int,
    settle: float,
    seconds: float = 0.0,
    keep: bool = False,
    store_kind: str = "folder",
) -> bool:
    """Run the suite and print its counts; return whether the verdict is clean."""
    seed = secrets.randbelow(10**6) if seed is None else seed
    print(
        f"seed {seed}: {runs} executions on {store_kind}, a kill every {kill_every} s, "
        f"{store_failures:.0%} of writes fail",
        flush=True,
    )
    folder = Path(tempfile.mkdtemp(prefix="flytetemporal-faults-"))
    with (
        _stored(store_kind, folder) as store,
        _troubled(folder, store_failures, store),
        (folder / "dev.log").open("wb") as output,
    ):
        place = ("--store", store.root) if store is not None else ()
        with background_stack.running(folder / "home", options=place, output=output) as state:
            version = register(state)
            verdict = asyncio.run(
                _suite(
                    state, folder, version, random.Random(seed), runs, kill_every, concurrency, settle, seconds, store
                )
            )
        for pid in judge.orphans(folder / "notes", folder / "home"):
            verdict.add("orphans", f"process {pid} still runs after its stack has stopped")
    for count, found in verdict.found.items():
        for what in found[:50]:
            print(f"  {count}: {what}")
    print(verdict.line(), flush=True)
    if verdict.clean or not keep:
        subprocess.run(["rm", "-rf", str(folder)], check=False)
    else:
        print(f"kept {folder}")
    return verdict.clean


async def _suite(
    state: dict[str, Any],
    folder: Path,
    version: str,
    dice: random.Random,
    count: int,
    kill_every: float,
    concurrency: int,
    settle: float,
    seconds: float,
    store: S3Server | None,
) -> Verdict:
    notes = folder / "notes"
    notes.mkdir()
    executions = Executions(state, version, str(notes))
    runs = chosen(KINDS, count, dice, f"f{dice.randrange(10**6):06d}x")
    killer = Killer(folder / "home", random.Random(dice.random()), kill_every, store)
    killing = asyncio.create_task(killer.run() if kill_every else asyncio.sleep(0))
    began = time.monotonic()

    async def stop_killing() -> None:
        killing.cancel()
        await asyncio.gather(killing, return_exceptions=True)  # Waits for its end; a TaskGroup would raise.
        await killer.wait_for_store()

    try:
        stuck = await executions.run_all(runs, concurrency, settle, seconds, stop_killing)
        launched = [run for run in with_followers(runs) if run.launched]
        left, orphans = await _quiet(state, notes, folder / "home")
        records = await judge.read(executions)
        verdict = judge.judge(records, launched, stuck, notes, killer.moments)
    finally:
        killing.cancel()
        await executions.close()
    for _ in range(left):
        verdict.add("open workflows", "a workflow still runs after all executions have ended")
    for pid in orphans:
        verdict.add("orphans", f"process {pid} still runs after all executions have ended")
    _print(launched, records, killer, folder, time.monotonic() - began)
    return verdict


async def _quiet(state: dict[str, Any], notes: Path, home: Path) -> tuple[int, list[int]]:
    """Return the number of open workflows and the processes left, after up to 30 s in which they can end."""
    deadline = time.monotonic() + QUIET_SECONDS
    while True:
        left, orphans = await _open_workflows(state), judge.orphans(notes, home)
        if (left == 0 and not orphans) or time.monotonic() > deadline:
            return left, orphans
        await asyncio.sleep(1)


def _print(runs: Sequence[Run], records: Records, killer: Killer, folder: Path, seconds: float) -> None:
    ends = Counter(f"{run.kind.workflow} {records.executions.get(run.name, ('LOST', ''))[0]}" for run in runs)
    failures = folder / "store.log"
    lost = len(failures.read_text().splitlines()) if failures.exists() else 0
    print(f"  {len(runs)} executions in {seconds:.0f} s: " + ", ".join(f"{n} {end}" for end, n in sorted(ends.items())))
    for run in runs:
        if run.waited:
            print(f"  slow: {run.name} ({run.kind.workflow}) did not end in time: {run.waited}")
    killed = ", ".join(f"{name} {n}" for name, n in sorted(killer.kills.items())) or "nothing"
    again = judge.done_twice(folder / "notes")
    print(f"  killed: {killed}; failed writes: {lost}; attempts done again after a kill: {again}")
    print("  failed attempts: " + (", ".join(f"{code} {n}" for code, n in sorted(records.failures.items())) or "none"))


async def _open_workflows(state: dict[str, Any]) -> int:
    """Return how many workflows of executions still run, once Temporal answers."""
    while True:
        with contextlib.suppress(RuntimeError, RPCError):
            client = await Client.connect(state["temporal_address"], namespace=state["temporal_namespace"])
            return (await client.count_workflows(OPEN_WORKFLOWS)).count
        await asyncio.sleep(1)


@contextlib.contextmanager
def _stored(kind: str, folder: Path) -> Iterator[S3Server | None]:
    """Run the S3 server of ``--store s3`` while the context is open."""
    if kind == "folder":
        yield None
        return
    (folder / "s3").mkdir()
    with s3_server.running(folder / "s3") as server:
        yield server


@contextlib.contextmanager
def _troubled(folder: Path, rate: float, store: S3Server | None) -> Iterator[None]:
    """Make writes fail, and runs continue as new often, in the processes that start while the context is open."""
    changed = {
        "FLYTETEMPORAL_ADMIN__HISTORY_EVENTS": str(HISTORY_EVENTS),
        "FAULTS_STORE_RATE": str(rate) if rate else "",
        "FAULTS_STORE_LOG": str(folder / "store.log"),
        "PYTHONPATH": os.pathsep.join([str(HERE / "store_failures"), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    if store is not None:
        changed["FLYTETEMPORAL_STORAGE__OPTIONS"] = json.dumps(store.settings())
    with variables(changed):
        yield


def register(state: Mapping[str, Any], project: str = PROJECT) -> str:
    """Register the program with stock pyflyte; return its version."""
    version = f"faults-{secrets.token_hex(4)}"
    command = [str(Path(sys.executable).with_name("pyflyte")), "-c", state["client_config"], "register"]
    options = ["-p", project, "-d", DOMAIN, "--version", version, "faults/program.py"]
    done = None
    for _ in range(5):  # Injected write failures hit registration, too.
        done = subprocess.run([*command, *options], cwd=HERE.parent, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return version
    raise SystemExit(f"pyflyte register failed five times, last with: {done}")


if __name__ == "__main__":
    main()
