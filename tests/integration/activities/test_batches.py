"""Elements of a map that share a process: what each keeps for itself, and what the end of one costs the others."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from flyteidl.core import identifier_pb2, literals_pb2
from temporalio import activity

from flytetemporal.activities.batches import shared_runs
from flytetemporal.contracts.v1 import arrays_pb2, execution_pb2
from flytetemporal.idl import locations
from flytetemporal.plugins.protocol import TaskPhase
from flytetemporal.workflows.nodes import element_batches
from scripts.s3_server import S3Server
from tests.fixtures.task_attempts import Bench, integer, loader, template
from tests.fixtures.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

TASK = """
import atexit, os, random, signal, subprocess, sys, tempfile, threading, time
import flytekit
from flytekit import task
from flytekit.exceptions.user import FlyteRecoverableException

SEEN = []

@task
def answer(number: int) -> str:
    SEEN.append(number)
    {body}
    return f"{{os.getpid()}} {{len(SEEN)}}"
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    bench = Bench.at(tmp_path_factory.mktemp("batches"))
    async with bench.registry.opened():
        yield bench


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of a test may take long on a crowded machine."""
    monkeypatch.setattr(shared_runs, "SECONDS", 60.0)


class Batch:
    """A batch of elements of one task, whose ``body`` sees the ``number`` of its element."""

    def __init__(self, bench: Bench, attempts: Sequence[execution_pb2.TaskAttempt]) -> None:
        self.bench = bench
        self.attempts = attempts
        self.environment = bench.environment()

    @classmethod
    async def of(
        cls, bench: Bench, folder: Path, body: str, count: int = 4, limit: timedelta = timedelta(0), **variables: str
    ) -> "Batch":
        name = f"batched_{folder.name.replace('-', '_')}"
        (folder / f"{name}.py").write_text(TASK.format(body=body))
        os.utime(folder / f"{name}.py", (1, 1))
        task = template(loader(name, "answer"))
        array = await bench.attempt(task, limit, envs={"PYTHONPATH": str(folder), **variables})
        attempts = []
        for index in range(count):
            attempt = execution_pb2.TaskAttempt()
            attempt.CopyFrom(array)
            attempt.inputs.literals.literals["number"].CopyFrom(integer(index))
            attempt.data_dir = locations.element_dir(array.output_dir, index)
            attempt.output_dir = locations.output_dir(attempt.data_dir, 0)
            attempt.generated_name = f"{array.generated_name}-n{index}-0"
            attempt.raw_output_dir = locations.raw_output_dir(f"{bench.blobs.root}/data", attempt.generated_name)
            attempt.element.index = index
            attempt.element.node_id = f"n0-0-n{index}"
            attempt.element.external_id = attempt.generated_name
            attempts.append(attempt)
        return cls(bench, attempts)

    async def result(self, temporal_attempt: int = 1) -> arrays_pb2.ElementBatchResult:
        """Run the batch and return what the activity returns."""
        self.environment = self.bench.environment(temporal_attempt)
        return await self.environment.run(self._activity, element_batches.batch_of(self.attempts))

    async def run(self) -> dict[int, execution_pb2.TaskAttemptResult]:
        """Run the batch and return its results by position."""
        return {ended.position: ended.result for ended in (await self.result()).results}

    def log(self, position: int) -> str:
        """Return what an element has printed, without the empty line that flytekit prints first."""
        return self.bench.log(self.attempts[position]).strip()

    @property
    def execution(self) -> identifier_pb2.WorkflowExecutionIdentifier:
        return self.attempts[0].node_event.id.execution_id

    @property
    def _activity(self):  # type: ignore[no-untyped-def]
        return next(one for one in self.bench.tasks.all() if one.__name__ == "run_elements")


def answer(result: execution_pb2.TaskAttemptResult) -> str:
    assert result.HasField("outputs"), result
    path = Path(result.outputs.uri.removeprefix("file://"))
    return literals_pb2.LiteralMap.FromString(path.read_bytes()).literals["o0"].scalar.primitive.string_value


def processes(results: dict[int, execution_pb2.TaskAttemptResult]) -> list[str]:
    return [answer(results[n]).split()[0] for n in sorted(results) if results[n].HasField("outputs")]


def phases(result: execution_pb2.TaskAttemptResult) -> list[tuple[int, str]]:
    return [
        (resource.index, TaskPhase.Phase.Name(resource.phase))
        for event in result.unreported
        for resource in event.task.metadata.external_resources
    ]


async def test_elements_run_one_after_another_in_one_process(worker: Bench, tmp_path: Path) -> None:
    batch = await Batch.of(worker, tmp_path, "print('element', number)")

    results = await batch.run()

    assert [answer(results[n]).split()[1] for n in range(4)] == ["1", "2", "3", "4"]
    assert len(set(processes(results))) == 1
    assert [batch.log(n) for n in range(4)] == [f"element {n}" for n in range(4)]
    assert phases(results[2])[-1] == (2, "SUCCEEDED")
    logs = [event.task.metadata.external_resources[0].logs[0] for event in results[3].unreported]
    assert {log.name for log in logs} == {"Task Logs-3"}
    assert all("n0-0-n3" in log.uri for log in logs)


async def test_each_element_has_its_own_environment_folders_and_random_numbers(worker: Bench, tmp_path: Path) -> None:
    body = """print(os.environ['FLYTE_K8S_ARRAY_INDEX'], os.environ.get('LEFT'), os.listdir('.'), \
len(os.listdir(tempfile.gettempdir())), sys.path.count('/left'), signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)
    print(random.random(), file=sys.stderr)
    os.environ['LEFT'] = 'x'; open('left', 'w').close(); tempfile.mkstemp(); sys.path.append('/left')
    signal.signal(signal.SIGTERM, print); os.chdir('/'); sys.stdout = sys.stderr"""
    batch = await Batch.of(worker, tmp_path, body, 3)

    results = await batch.run()

    assert len(set(processes(results))) == 1
    lines = [batch.log(n).splitlines() for n in range(3)]
    assert {line[0].split(" ", 1)[1] for line in lines} == {lines[0][0].split(" ", 1)[1]}
    assert [line[0].split()[0] for line in lines] == ["0", "1", "2"]
    assert lines[2][0].split()[1] == "None"
    assert len({line[1] for line in lines}) == 3, "the same random numbers"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("if number == 1: os._exit(7)", "Error"),
        ("if number == 1: os.kill(os.getpid(), signal.SIGSEGV)", "Error"),
        ("if number == 1: os.kill(os.getpid(), signal.SIGKILL)", "Interrupted"),
        ("if number == 1: os._exit(0)", "OutputsNotFound"),
    ],
)
async def test_an_element_that_kills_the_process_costs_the_others_a_process_and_no_attempt(
    worker: Bench, tmp_path: Path, body: str, code: str
) -> None:
    batch = await Batch.of(worker, tmp_path, body)

    results = await batch.run()

    assert sorted(results) == [0, 1, 2, 3]
    assert results[1].failure.error.code == code
    assert phases(results[1])[-1] == (1, "FAILED")
    first, *others = processes(results)
    assert first not in others
    assert len(set(others)) == 1
    assert [phases(results[n])[-1] for n in (0, 2, 3)] == [(n, "SUCCEEDED") for n in (0, 2, 3)]


async def test_an_element_that_raises_has_its_own_error_and_the_next_one_its_process(
    worker: Bench, tmp_path: Path
) -> None:
    body = """if number == 1: raise ValueError('one is wrong')
    if number == 2: raise FlyteRecoverableException('two may try again')"""
    batch = await Batch.of(worker, tmp_path, body)

    results = await batch.run()

    assert "one is wrong" in results[1].failure.error.message
    assert "two may try again" in results[2].failure.error.message
    assert (results[1].failure.recoverable, results[2].failure.recoverable) == (False, True)
    assert len(set(processes(results))) == 1


async def test_an_element_that_takes_too_long_is_stopped_and_the_others_run(worker: Bench, tmp_path: Path) -> None:
    body = "time.sleep(60 if number == 1 else 0)"
    batch = await Batch.of(worker, tmp_path, body, limit=timedelta(seconds=3))

    results = await batch.run()

    assert results[1].failure.error.code == "TimeoutExpired"
    assert phases(results[1])[-1] == (1, "FAILED")
    assert all(results[n].HasField("outputs") for n in (0, 2, 3))


async def test_what_an_element_leaves_running_ends_with_it(worker: Bench, tmp_path: Path) -> None:
    body = "child = subprocess.Popen(['sleep', '600'], start_new_session=True); print(child.pid)"
    batch = await Batch.of(worker, tmp_path, body, 2)

    results = await batch.run()

    assert len(set(processes(results))) == 1
    for position in range(2):
        with pytest.raises(ProcessLookupError):
            os.kill(int(batch.log(position)), 0)


@pytest.mark.parametrize(
    "body",
    [
        "threading.Thread(target=time.sleep, args=(0.2,)).start()",
        "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()",
        "atexit.register(print, 'at the end')",
    ],
)
async def test_an_element_that_leaves_something_in_its_process_is_the_last_one_there(
    worker: Bench, tmp_path: Path, body: str
) -> None:
    batch = await Batch.of(worker, tmp_path, body, 3)

    results = await batch.run()

    assert len(set(processes(results))) == 3
    if "atexit" in body:
        assert [batch.log(n) for n in range(3)] == ["at the end"] * 3


async def test_a_batch_gives_back_what_it_has_no_time_for(
    worker: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_runs, "SECONDS", 1.0)
    batch = await Batch.of(worker, tmp_path, "time.sleep(1.5)")

    found = await batch.result()

    assert 1 <= len(found.results) < 4
    assert not found.alone
    started = len(found.results)
    assert not Path(batch.attempts[started].output_dir.removeprefix("file://"), "outputs.pb").exists()


async def test_a_repeated_batch_runs_only_what_has_no_result(worker: Bench, tmp_path: Path) -> None:
    batch = await Batch.of(worker, tmp_path, "")
    before = await batch.run()
    done = Path(batch.attempts[2].output_dir.removeprefix("file://"), "attempt.pb")
    done.unlink()

    again = {ended.position: ended.result for ended in (await batch.result(temporal_attempt=2)).results}

    assert [answer(again[n]) for n in (0, 1, 3)] == [f"{processes(before)[0]} {n + 1}" for n in (0, 1, 3)]
    assert answer(again[2]).split()[0] != processes(before)[0]


async def test_an_abort_stops_the_batch_and_reports_all_its_elements(worker: Bench, tmp_path: Path) -> None:
    batch = await Batch.of(worker, tmp_path, "print(os.getpid()); time.sleep(600 if number else 0)")
    running = asyncio.create_task(batch.result())
    await eventually(lambda: bool(batch.log(1)))

    batch.environment.cancel(activity.ActivityCancellationDetails(cancel_requested=True))
    found = {ended.position: ended.result for ended in (await running).results}

    assert found[0].HasField("outputs")
    assert [phases(found[n])[-1] for n in (1, 2, 3)] == [(n, "ABORTED") for n in (1, 2, 3)]
    with pytest.raises(ProcessLookupError):
        os.kill(int(batch.log(1)), 0)


async def test_memory_that_runs_out_fails_one_element(tmp_path: Path) -> None:
    bench = Bench.at(tmp_path / "bench", memory_limits=True)
    async with bench.registry.opened():
        batch = await Batch.of(bench, tmp_path, "x = bytearray(10**10) if number == 1 else b''")
        for attempt in batch.attempts:
            requests = attempt.overrides.resources.requests
            requests.add(name="MEMORY", value="500Mi")

        results = await batch.run()

    assert results[1].failure.error.code == "OOMKilled"
    assert all(results[n].HasField("outputs") for n in (0, 2, 3))


async def test_a_fork_server_that_dies_costs_its_element_a_system_retry_and_no_other(
    worker: Bench, tmp_path: Path
) -> None:
    body = "time.sleep(600 if number == 1 and os.kill(os.getppid(), 9) is None else 0)"
    batch = await Batch.of(worker, tmp_path, body, FLYTETEMPORAL_WARM="0")

    results = await batch.run()

    assert (results[1].failure.error.code, results[1].failure.error.kind) == ("Interrupted", 2)
    assert all(results[n].HasField("outputs") for n in (0, 2, 3))


async def test_elements_in_a_batch_keep_their_outputs_and_logs_on_s3(s3_server: S3Server, tmp_path: Path) -> None:
    bench = Bench.at(tmp_path / "bench", root=f"{s3_server.root}/batches", options=s3_server.options())
    async with bench.registry.opened():
        batch = await Batch.of(bench, tmp_path, "print('element', number)", 3)

        results = await batch.run()

    found = [await bench.blobs.read_message(results[n].outputs.uri, literals_pb2.LiteralMap) for n in range(3)]
    texts = [outputs.literals["o0"].scalar.primitive.string_value.split() for outputs in found]
    logs = [locations.log_uri(bench.blobs.root, batch.execution, f"n0-0-n{n}", 0) for n in range(3)]
    assert len({process for process, _ in texts}) == 1
    assert [seen for _, seen in texts] == ["1", "2", "3"]
    assert [(await bench.blobs.read(uri)).strip() for uri in logs] == [b"element 0", b"element 1", b"element 2"]
