"""Attempts as forks of a process that has imported their code: what they share, and what they never do."""

import asyncio
import os
import signal
import tarfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from flytetemporal.contracts.v1 import execution_pb2
from tests.fixtures.task_attempts import Bench, loader, template
from tests.fixtures.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTLED_SECONDS = 1.2  # Files are looked at once a second.
TASK = """
from flytekit import task

with open({imports!r}, "a") as file:
    file.write("imported\\n")

{code}

@task
def answer() -> str:
    import os
    {body}
"""


class Code:
    """A module with one task, which counts how often it is imported."""

    def __init__(self, folder: Path, name: str, code: str = "", body: str = "return f'{os.getppid()}'") -> None:
        self.folder = folder
        self.name = name
        self._imports = folder / f"{name}.imports"
        self.write(code, body)

    def write(self, code: str, body: str = "return f'{os.getppid()}'") -> None:
        source = TASK.format(imports=str(self._imports), code=code, body=body)
        (self.folder / f"{self.name}.py").write_text(source)
        # A file that is newer than its import may have changed in between, and is imported again.
        os.utime(self.folder / f"{self.name}.py", (1, len(source)))

    @property
    def imports(self) -> int:
        return len(self._imports.read_text().splitlines()) if self._imports.exists() else 0

    async def attempt(
        self, bench: Bench, limit: timedelta = timedelta(0), **variables: str
    ) -> execution_pb2.TaskAttempt:
        task = template(loader(self.name, "answer"))
        return await bench.attempt(task, limit, envs={"PYTHONPATH": str(self.folder), **variables})

    async def run(self, bench: Bench, **variables: str) -> str:
        return answer(await bench.run(await self.attempt(bench, timedelta(0), **variables)))


def answer(result: execution_pb2.TaskAttemptResult) -> str:
    assert result.HasField("outputs"), result
    return result.outputs.literals.literals["o0"].scalar.primitive.string_value


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    bench = Bench.at(tmp_path_factory.mktemp("warm"))
    async with bench.registry.opened():
        yield bench


async def test_attempts_share_an_import_and_nothing_that_one_of_them_changes(worker: Bench, tmp_path: Path) -> None:
    body = "SEEN.append(1); return f'{os.getppid()} {len(SEEN)}'"
    code = Code(tmp_path, "with_state", "SEEN = []", body)

    answers = [await code.run(worker) for _ in range(3)]

    assert len(set(answers)) == 1, "the parents or the states differ"
    assert answers[0].endswith(" 1")
    assert code.imports == 1


async def test_many_attempts_at_once_wait_for_one_import(worker: Bench, tmp_path: Path) -> None:
    code = Code(tmp_path, "slow", "import time; time.sleep(1)")

    answers = await asyncio.gather(*(code.run(worker) for _ in range(6)))

    assert len(set(answers)) == 1
    assert code.imports == 1


async def test_pandas_at_module_level_is_imported_once(worker: Bench, tmp_path: Path) -> None:
    code = Code(tmp_path, "with_pandas", "import pandas, pyarrow", "return str(pandas.DataFrame({'a': [1]}).a.sum())")

    assert [await code.run(worker) for _ in range(3)] == ["1", "1", "1"]
    assert code.imports == 1


async def test_dataclasses_and_launch_plans_do_not_keep_code_from_being_shared(worker: Bench, tmp_path: Path) -> None:
    statements = """
from dataclasses import dataclass
from flytekit import LaunchPlan, workflow

@dataclass
class Point:
    x: int = 1

@task
def moved(point: Point) -> Point:
    return Point(point.x + 1)

@workflow
def moving(point: Point = Point(2), by: int = 1) -> Point:
    return moved(point=point)

plan = LaunchPlan.get_or_create(moving, "moving_plan", default_inputs={"by": 3})
"""
    body = "return f'{os.getppid()} {moved(point=Point(4)).x} {moving(point=Point(6)).x}'"
    code = Code(tmp_path, "with_plan", statements, body)

    answers = [await code.run(worker) for _ in range(3)]

    assert code.imports == 1
    assert len(set(answers)) == 1
    assert answers[0].endswith(" 5 7")


async def test_each_attempt_has_its_own_random_numbers(worker: Bench, tmp_path: Path) -> None:
    body = "import uuid; return f'{random.random()} {numpy.random.rand()} {uuid.uuid4()}'"
    code = Code(tmp_path, "with_chance", "import random, numpy", body)

    answers = [(await code.run(worker)).split() for _ in range(3)]

    assert code.imports == 1
    assert all(len(set(numbers)) == 3 for numbers in zip(*answers, strict=True))


async def test_a_module_that_seeds_gives_each_attempt_the_same_numbers(worker: Bench, tmp_path: Path) -> None:
    seeds = "import random, numpy; random.seed(7); numpy.random.seed(7)"
    code = Code(tmp_path, "seeded", seeds, "return f'{random.random()} {numpy.random.rand()}'")

    warm = [await code.run(worker) for _ in range(2)]
    fresh = await code.run(worker, FLYTETEMPORAL_WARM="0")

    assert warm == [fresh, fresh]
    assert code.imports == 2


@pytest.mark.parametrize(
    ("name", "statement", "reason"),
    [
        ("thread", "import threading as t; t.Thread(target=t.Event().wait, daemon=True).start()", "1 threads"),
        ("socket", "import socket; S = socket.socket()", "opens socket:"),
        ("pool", "import concurrent.futures as c; P = c.ThreadPoolExecutor(1); P.submit(int).result()", "1 threads"),
        ("loop", "import asyncio; L = asyncio.new_event_loop()", "opens anon_inode:"),
        ("channel", "import grpc; C = grpc.insecure_channel('localhost:1')", "opens "),
        ("file", "F = open('/etc/hostname')", "opens /etc/hostname"),
        ("memory", "import mmap; M = mmap.mmap(-1, 4096)", "maps shared memory"),
        ("process", "import subprocess; P = subprocess.Popen(['sleep', '300'])", "starts a process"),
        ("execution", "import os; E = os.environ['FLYTE_INTERNAL_EXECUTION_ID']", "reads FLYTE_INTERNAL_EXECUTION_ID"),
        ("variables", "import os; E = dict(os.environ)", "reads all variables"),
        ("temporary", "import tempfile; T = tempfile.mkdtemp()", "reads TMPDIR"),
        ("temporary_folder", "import tempfile; T = tempfile.gettempdir()", "reads TMPDIR"),
        ("folder", "import os; D = os.getcwd()", "uses the working directory"),
        ("uuid", "import uuid; U = uuid.uuid4()", "draws random numbers"),
        ("draw", "import random; R = random.random()", "draws random numbers"),
        ("generator", "import random; G = random.Random()", "draws random numbers"),
        ("numpy_draw", "import numpy; N = numpy.random.rand()", "draws random numbers"),
        ("numpy_generator", "import numpy; N = numpy.random.default_rng()", "draws random numbers"),
        ("context", "import flytekit; C = flytekit.current_context().execution_id", "reads the context of the task"),
    ],
)  # fmt: skip
async def test_code_that_forks_cannot_share_is_imported_for_each_attempt(
    worker: Bench, tmp_path: Path, name: str, statement: str, reason: str
) -> None:
    code = Code(tmp_path, f"cold_{name}", statement)

    attempts = [await code.attempt(worker) for _ in range(2)]
    for attempt in attempts:
        answer(await worker.run(attempt))

    assert code.imports == 3  # Once to find out.
    for attempt in attempts:
        reasons = " ".join(event.reason for event in worker.sink.task_events(attempt))
        assert "imported for this attempt alone" in reasons
        assert reason in reasons


async def test_a_task_can_refuse_to_share_its_code(worker: Bench, tmp_path: Path) -> None:
    code = Code(tmp_path, "refused")

    for _ in range(2):
        await code.run(worker, FLYTETEMPORAL_WARM="0")

    assert code.imports == 2


async def test_other_variables_mean_another_import(worker: Bench, tmp_path: Path) -> None:
    code = Code(tmp_path, "with_variable", "import os; COLOUR = os.environ['COLOUR']", "return COLOUR")

    answers = [await code.run(worker, COLOUR=colour) for colour in ("red", "blue", "red")]

    assert answers == ["red", "blue", "red"]
    assert code.imports == 2


async def test_an_import_error_is_reported_as_without_a_warm_parent(worker: Bench, tmp_path: Path) -> None:
    code = Code(tmp_path, "broken", "raise ValueError('not today')")

    warm, fresh = await code.attempt(worker), await code.attempt(worker, timedelta(0), FLYTETEMPORAL_WARM="0")
    results = [await worker.run(attempt) for attempt in (warm, fresh)]

    errors = [result.failure.error for result in results]
    assert "not today" in errors[0].message
    assert errors[0].code == errors[1].code
    assert errors[0].message == errors[1].message


async def test_what_an_import_prints_is_in_the_log_of_each_attempt(worker: Bench, tmp_path: Path) -> None:
    code = Code(tmp_path, "talkative", "import sys; print('hello'); print('careful', file=sys.stderr)")

    attempts = [await code.attempt(worker) for _ in range(2)]
    for attempt in attempts:
        answer(await worker.run(attempt))

    assert code.imports == 1
    assert all("hello" in worker.log(attempt) and "careful" in worker.log(attempt) for attempt in attempts)


async def test_a_file_of_the_code_is_the_attempts_own(worker: Bench, tmp_path: Path) -> None:
    body = 'import sys; return f\'{os.getcwd()} {os.environ["TMPDIR"]} {[p for p in sys.path if "warm-" in p]}\''
    code = Code(tmp_path, "placed", "", body)

    answers = [await code.run(worker) for _ in range(2)]

    assert answers[0] != answers[1]
    assert all(text.endswith(" []") for text in answers)


async def test_code_that_changes_on_disk_is_imported_again(worker: Bench, tmp_path: Path) -> None:
    code = Code(tmp_path, "changing", "VALUE = 'old'", "return VALUE")
    first = await code.run(worker)

    code.write("VALUE = 'a newer one'", "return VALUE")
    await asyncio.sleep(SETTLED_SECONDS)

    assert [first, await code.run(worker), await code.run(worker)] == ["old", "a newer one", "a newer one"]
    assert code.imports == 2


async def test_a_killed_parent_takes_no_attempt_along(worker: Bench, tmp_path: Path) -> None:
    go, seen = tmp_path / "go", tmp_path / "seen"
    wait = f"import time; open({str(seen)!r}, 'a').write(f'{{os.getppid()}} ')"
    code = Code(
        tmp_path,
        "orphaned",
        "",
        f"{wait}\n    while not os.path.exists({str(go)!r}): time.sleep(0.05)\n    return 'ended'",
    )
    running = [worker.start(await code.attempt(worker)) for _ in range(2)]
    await eventually(lambda: seen.exists() and len(seen.read_text().split()) == 2)

    os.kill(int(seen.read_text().split()[0]), signal.SIGKILL)
    await asyncio.sleep(0.3)
    go.touch()
    ended = [answer(await started.result) for started in running]

    assert [*ended, await code.run(worker)] == ["ended"] * 3
    assert code.imports == 2


async def test_an_attempt_whose_parent_was_killed_can_be_aborted(worker: Bench, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    body = f"import time; open({str(seen)!r}, 'w').write(f'{{os.getppid()}} {{os.getpid()}}'); time.sleep(300)"
    code = Code(tmp_path, "aborted", "", body)
    running = worker.start(await code.attempt(worker))
    await eventually(lambda: seen.exists() and len(seen.read_text().split()) == 2)
    parent, pid = (int(number) for number in seen.read_text().split())

    os.kill(parent, signal.SIGKILL)
    await asyncio.sleep(0.3)
    running.cancel()

    assert (await running.result).failure.error.code == "Aborted"
    assert not os.path.exists(f"/proc/{pid}")


async def test_an_import_that_hangs_holds_up_nothing_else(worker: Bench, tmp_path: Path) -> None:
    code = Code(tmp_path, "hanging", "import time; time.sleep(300)")
    stuck = worker.start(await code.attempt(worker))
    limited = worker.start(await code.attempt(worker, timedelta(seconds=2)))
    await eventually(lambda: code.imports == 1)

    await Code(tmp_path, "lively").run(worker)
    timed_out = await limited.result
    stuck.cancel()

    assert "timeout" in timed_out.failure.error.message
    assert (await stuck.result).failure.error.code == "Aborted"
    assert code.imports == 1


async def test_a_crash_during_the_import_is_the_attempts_own(worker: Bench, tmp_path: Path) -> None:
    code = Code(tmp_path, "crashing", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")

    result = await worker.run(await code.attempt(worker))

    assert "SIGSEGV" in result.failure.error.message
    assert code.imports == 2


async def test_the_least_recently_used_code_makes_room(tmp_path: Path) -> None:
    bench = Bench.at(tmp_path / "worker", warm_memory=130 << 20)
    codes = [Code(tmp_path, name, "X = b'x' * (40 << 20)") for name in ("first", "second", "third")]
    huge = Code(tmp_path, "huge", "X = b'x' * (140 << 20)")
    async with bench.registry.opened():
        for code in (codes[0], codes[1], codes[0], codes[2], codes[0], codes[1]):
            await code.run(bench)
        attempt = await huge.attempt(bench)
        answer(await bench.run(attempt))
        await codes[1].run(bench)

    assert [code.imports for code in codes] == [1, 2, 1]
    assert "more than worker.warm_memory" in bench.sink.task_events(attempt)[0].reason


async def test_no_memory_for_it_means_no_warm_code(tmp_path: Path) -> None:
    bench = Bench.at(tmp_path / "worker", warm_memory=0)
    code = Code(tmp_path, "fresh")
    async with bench.registry.opened():
        await code.run(bench)
        await code.run(bench)

    assert code.imports == 2


async def test_a_server_that_dies_takes_the_forks_of_warm_parents_along(tmp_path: Path) -> None:
    bench = Bench.at(tmp_path / "worker")
    seen = tmp_path / "seen"
    body = f"import time; open({str(seen)!r}, 'w').write(f'{{os.getppid()}} {{os.getpid()}}'); time.sleep(300)"
    code = Code(tmp_path, "lost", "", body)
    async with bench.registry.opened():
        running = bench.start(await code.attempt(bench))
        await eventually(lambda: seen.exists() and len(seen.read_text().split()) == 2)
        parent, pid = (int(number) for number in seen.read_text().split())
        server = int(Path(f"/proc/{parent}/stat").read_text().rsplit(")", 1)[1].split()[1])

        os.kill(server, signal.SIGKILL)
        result = await running.result

        assert result.failure.error.code == "Interrupted"
        await eventually(lambda: not os.path.exists(f"/proc/{pid}") and not os.path.exists(f"/proc/{parent}"))


async def test_fast_registered_code_is_imported_once_too(worker: Bench, tmp_path: Path) -> None:
    code = Code(tmp_path, "packed", "from pathlib import Path", "return str(Path(__file__).parent == Path.cwd())")
    archive = tmp_path / "fast.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "packed.py", "packed.py")
    fast = ("pyflyte-fast-execute", "--additional-distribution", f"file://{archive}", "--dest-dir", "/root", "--")
    task = template((*fast, *loader("packed", "answer")))

    answers = [answer(await worker.run(await worker.attempt(task))) for _ in range(3)]

    assert answers == ["True"] * 3
    assert code.imports == 1


async def test_all_tasks_of_a_module_share_its_import(worker: Bench, tmp_path: Path) -> None:
    code = Code(tmp_path, "shared", "", "return 'first'")
    source = tmp_path / "shared.py"
    source.write_text(source.read_text() + "\n\n@task\ndef other() -> str:\n    return 'second'\n")
    os.utime(source, (1, 1))
    other = await worker.attempt(template(loader("shared", "other")), envs={"PYTHONPATH": str(tmp_path)})

    assert await code.run(worker) == "first"
    assert answer(await worker.run(other)) == "second"
    assert code.imports == 1


async def test_heartbeats_say_why_code_was_imported_for_one_attempt(worker: Bench, tmp_path: Path) -> None:
    code = Code(tmp_path, "remarked", "import threading, time; threading.Thread(target=time.sleep, args=(9,)).start()",
                "import time; time.sleep(600)")  # fmt: skip
    started = worker.start(await code.attempt(worker))

    await eventually(lambda: any(b"imported for this attempt alone" in details[2] for details in started.heartbeats))

    handle, note, remark = started.heartbeats[-1]
    started.cancel()
    await started.result
    assert handle.isdigit()
    assert note == b""
    assert remark.endswith(b"its import starts 1 threads")
