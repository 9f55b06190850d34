"""``python -m faults.single_flight``: many runs of one serialized task, whose holder is killed again and again.

Of all runs that need the same cached outputs, one computes them. Its worker is killed while it does, and another run
takes over, until one has succeeded: then all others take its outputs.
"""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from flyteidl.admin import node_execution_pb2
from flyteidl.core import catalog_pb2

from faults import __main__ as suite
from faults import judge, processes
from faults.executions import Executions, Run
from faults.kinds import ENDS, OK, Kind
from flytetemporal.cli.dev import state_folder
from flytetemporal.cli.dev.state_folder import StateFolder
from scripts import background_stack

# A supervisor gives up on a worker that dies more often than this.
DEATHS_PER_MINUTE = 4
POLL_SECONDS = 0.1
HANG_SECONDS = 600.0
SETTLE_SECONDS = 600.0


@click.command()
@click.option("--runs", default=100, show_default=True, help="Number of executions.")
@click.option("--kills", default=10, show_default=True, help="How often the worker of the holder is killed.")
def main(**options: int) -> None:
    """Run executions that need the same outputs, kill their holder, and judge the result."""
    sys.exit(0 if run(**options) else 1)


def run(*, runs: int, kills: int) -> bool:
    """Run the executions; print what happened; return whether the outputs were computed once."""
    folder = Path(tempfile.mkdtemp(prefix="flytetemporal-flight-"))
    with (folder / "dev.log").open("wb") as output, background_stack.running(folder / "home", output=output) as state:
        version = suite.register(state)
        with _Workers(folder) as workers:
            problems = asyncio.run(_race(state, workers, folder, version, runs, kills))
    for problem in problems:
        print(f"  {problem}")
    print(f"single flight of {runs} runs, {kills} kills: {len(problems)} problems", flush=True)
    subprocess.run(["rm", "-rf", str(folder)], check=False)
    return not problems


class _Workers:
    """The worker of the stack, and a second one, so that a kill leaves runs that wait."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._home = StateFolder(folder / "home")
        self._second: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "_Workers":
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._second is not None:
            self._second.terminate()
            self._second.wait()

    def kill_above(self, pid: int) -> bool:
        """Kill the worker that runs the task ``pid``; return whether there is one."""
        second, ancestors = self._second, set(_ancestors(pid))
        if second is not None and second.pid in ancestors:
            second.kill()
            second.wait()
            self._start()
            return True
        first = self._first()
        if first not in ancestors:
            return False
        os.kill(first, signal.SIGKILL)
        return True

    def _first(self) -> int:
        state = state_folder.read_state(self._home)
        return int(state["processes"].get("worker") or 0) if state is not None else 0

    def _start(self) -> None:
        while not (first := self._first()):
            time.sleep(POLL_SECONDS)
        variables = Path(f"/proc/{first}/environ").read_bytes().split(b"\0")
        environment = dict(line.decode().partition("=")[::2] for line in variables if line)
        environment.pop("NOTIFY_SOCKET", None)
        environment["FLYTETEMPORAL_WORKER__WORK_DIR"] = str(self._folder / "second")
        command = [sys.executable, "-m", "flytetemporal.cli.main", "worker"]
        with (self._folder / "second.log").open("ab") as output:
            self._second = subprocess.Popen(command, env=environment, stdout=output, stderr=output)


async def _race(
    state: dict[str, Any], workers: _Workers, folder: Path, version: str, count: int, kills: int
) -> list[str]:
    notes = folder / "notes"
    notes.mkdir()
    kind = Kind("alone", 0, OK, {**ENDS, "n0": OK}, inputs={"seed": secrets.randbelow(10**9)})
    runs = [Run(f"one{secrets.token_hex(3)}x{number:03d}", kind) for number in range(count)]
    executions = Executions(state, version, str(notes))
    try:
        async with asyncio.TaskGroup() as group:
            ending = group.create_task(executions.run_all(runs, count, SETTLE_SECONDS, 0.0, _nothing))
            problems = await _kill_holders(workers, notes, kills)
            problems += [f"{name} is stuck" for name in await ending]
        return [*problems, *await _judged(executions, notes, count)]
    finally:
        await executions.close()


async def _nothing() -> None:
    """There is nothing to stop: kills are over when the executions end."""


async def _kill_holders(workers: _Workers, notes: Path, kills: int) -> list[str]:
    """Kill the worker of whichever task computes, as often as asked; then let one finish. Return problems."""
    problems, takeovers, killed_at, moments = [], list[float](), 0.0, list[float]()
    for _ in range(kills):
        line = await _computing(notes, killed_at)
        takeovers.append(line["at"] - killed_at)
        problems += _others(notes, line)
        # Nothing tells that a minute has passed.
        while len([moment for moment in moments if time.time() - moment < 60]) >= DEATHS_PER_MINUTE:  # noqa: ASYNC110
            await asyncio.sleep(POLL_SECONDS)
        if not await asyncio.to_thread(workers.kill_above, line["pid"]):
            problems.append(f"process {line['pid']} belongs to no worker")
        killed_at = time.time()
        moments.append(killed_at)
    line = await _computing(notes, killed_at)
    problems += _others(notes, line)
    takeovers = [*takeovers[1:], line["at"] - killed_at]
    print(f"  after a kill the next one began within {min(takeovers):.1f} to {max(takeovers):.1f} s")
    (notes.parent / "go").touch()
    return problems


async def _computing(notes: Path, since: float) -> dict[str, Any]:
    """Return the note of a task that has begun after ``since`` and still computes."""
    async with asyncio.timeout(HANG_SECONDS):
        while True:
            for line in _lines(notes, "start"):
                if line["at"] > since and processes.alive([(line["pid"], line["began"])]):
                    return line
            await asyncio.sleep(POLL_SECONDS)


def _others(notes: Path, line: dict[str, Any]) -> list[str]:
    """Return a problem for each other task that computes at the same time."""
    noted = [(other["pid"], other["began"]) for other in _lines(notes, "start") if other["pid"] != line["pid"]]
    return [f"process {pid} computes at the same time" for pid in processes.alive(noted)]


def _lines(notes: Path, event: str) -> list[dict[str, Any]]:
    every = (line for path in notes.iterdir() for tries in judge.notes(path).values() for line in tries)
    return [line for line in every if line["event"] == event]


async def _judged(executions: Executions, notes: Path, count: int) -> list[str]:
    phases = Counter(phase for (phase,) in await executions.query("select phase from executions"))
    statuses: Counter[str] = Counter()
    for (closure,) in await executions.query("select closure from node_executions where node_id = 'n0'"):
        node = node_execution_pb2.NodeExecutionClosure.FromString(closure)
        statuses[catalog_pb2.CatalogCacheStatus.Name(node.task_node_metadata.cache_status)] += 1
    began, computed = (len(_lines(notes, event)) for event in ("start", "end"))
    print(f"  {dict(phases)}, {dict(statuses)}; {began} began to compute, {computed} ended")
    problems = []
    if phases != {"SUCCEEDED": count}:
        problems.append(f"the executions ended as {dict(phases)}")
    if statuses != {"CACHE_POPULATED": 1, "CACHE_HIT": count - 1}:
        problems.append(f"the outputs were used as {dict(statuses)}")
    if computed != 1:
        problems.append(f"the outputs were computed {computed} times")
    return problems


def _ancestors(pid: int) -> Iterator[int]:
    while pid > 1:
        yield pid
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return


if __name__ == "__main__":
    main()
