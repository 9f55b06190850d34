"""The workflows that the fault suite runs. Tasks append notes to a file per execution, one line per write."""

import functools
import json
import os
import subprocess
import time
from datetime import timedelta

from flytekit import (
    Annotations,
    LaunchPlan,
    approve,
    conditional,
    dynamic,
    kwtypes,
    map_task,
    sleep,
    task,
    wait_for_input,
    workflow,
)
from flytekit.core.task import Echo
from flytekit.exceptions.user import FlyteRecoverableException
from flytekitplugins.sleep import Sleep

echo = Echo(name="faults.echo", inputs=kwtypes(a=int))


@task(task_config=Sleep())
def nap(duration: timedelta) -> None: ...


def note(folder: str, event: str, pid: int = 0) -> None:
    path = os.path.join(folder, os.environ["FLYTE_INTERNAL_EXECUTION_ID"])
    line = {
        "event": event,
        "attempt": os.environ["FLYTETEMPORAL_ATTEMPT"],
        "pid": pid or os.getpid(),
        "began": began(pid or os.getpid()),
        "at": time.time(),
        "running": running(path) if event == "start" else [],
    }
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, (json.dumps(line) + "\n").encode())
    os.close(descriptor)


def running(path: str) -> list[int]:
    """Return the processes of earlier tries of this attempt that are alive: there must be none."""
    if not os.path.exists(path):
        return []
    with open(path) as file:
        earlier = [line for line in map(json.loads, file) if line["attempt"] == os.environ["FLYTETEMPORAL_ATTEMPT"]]
    return [line["pid"] for line in earlier if began(line["pid"]) == line["began"]]


def began(pid: int) -> str:
    """Return the start time of a process; an empty text if it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


@task
def mark(folder: str, a: int = 0) -> int:
    note(folder, "start")
    time.sleep(0.02)
    note(folder, "end")
    return a + 1


@task(cache=True, cache_version="1", cache_serialize=True, cache_ignore_input_vars=("folder",))
def computes(folder: str, seed: int) -> str:
    note(folder, "start")
    while not os.path.exists(os.path.join(os.path.dirname(folder), "go")):
        time.sleep(0.1)
    note(folder, "end")
    return f"{seed}"


@task(retries=2)
def second_time(folder: str) -> int:
    note(folder, "start")
    if os.environ["FLYTE_ATTEMPT_NUMBER"] == "0":
        raise FlyteRecoverableException("the first attempt never works")
    note(folder, "end")
    return 1


@task(retries=1)
def never(folder: str) -> int:
    note(folder, "start")
    if folder:  # flytekit asks for a return statement.
        raise FlyteRecoverableException("no attempt ever works")
    return 0


@task
def boom(folder: str) -> int:
    note(folder, "start")
    if folder:
        raise ValueError("broken on purpose")
    return 0


@task
def needs_repair(folder: str) -> int:
    note(folder, "start")
    if not os.path.exists(os.path.join(folder, f"repaired-{os.environ['FLYTE_INTERNAL_EXECUTION_ID']}")):
        raise ValueError("nothing has been repaired yet")
    note(folder, "end")
    return 1


@task(timeout=timedelta(seconds=3))
def too_long(folder: str) -> int:
    note(folder, "start")
    time.sleep(300)
    return 1


@task
def slow(folder: str) -> int:
    note(folder, "start")
    time.sleep(60)
    note(folder, "end")
    return 1


@task
def leave(folder: str) -> int:
    """Leave a program behind in its own session, which must not outlive the attempt."""
    note(folder, "start")
    left = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    note(folder, "left", left.pid)
    note(folder, "end")
    return 1


@task
def clean_up(folder: str) -> None:
    note(folder, "start")
    note(folder, "end")


@workflow
def single(folder: str) -> int:
    return mark(folder=folder)


@workflow
def chain(folder: str) -> int:
    return mark(folder=folder, a=echo(a=mark(folder=folder)))


limited = LaunchPlan.get_or_create(
    chain, "faults_limited", annotations=Annotations({"flytetemporal.io/concurrency": "{max: 2, on_limit: queue}"})
)


@workflow
def repaired(folder: str) -> int:
    mark(folder=folder)
    return mark(folder=folder, a=needs_repair(folder=folder))


@workflow
def fan(folder: str) -> None:
    for _ in range(3):
        mark(folder=folder)
    for _ in range(3):
        nap(duration=timedelta(milliseconds=300))


@workflow
def engine_only(a: int) -> int:
    for _ in range(8):
        a = echo(a=a)
    return a


@workflow
def naps() -> None:
    before = nap(duration=timedelta(seconds=1))
    for _ in range(4):
        before >> nap(duration=timedelta(milliseconds=500))


@workflow
def branch(folder: str, a: int) -> int:
    return conditional("which").if_(a > 5).then(mark(folder=folder)).else_().then(echo(a=a))


@workflow
def inner(folder: str) -> int:
    return echo(a=mark(folder=folder))


@workflow
def nested(folder: str) -> int:
    return inner(folder=folder)


@workflow
def inner_failing(folder: str) -> int:
    return boom(folder=folder)


@workflow
def nested_failing(folder: str) -> int:
    return inner_failing(folder=folder)


@workflow
def retried(folder: str) -> int:
    return second_time(folder=folder)


@workflow
def exhausted(folder: str) -> int:
    return never(folder=folder)


@workflow
def failing(folder: str) -> int:
    return boom(folder=folder)


@workflow(on_failure=clean_up)
def cleaned(folder: str) -> int:
    return boom(folder=folder)


@workflow
def timed_out(folder: str) -> int:
    return too_long(folder=folder)


@workflow
def sleeping(folder: str) -> int:
    gate = sleep(timedelta(seconds=2))
    marked = mark(folder=folder)
    gate >> marked
    return marked


@workflow
def given(folder: str) -> int:
    return mark(folder=folder, a=wait_for_input("number", timeout=timedelta(hours=1), expected_type=int))


@workflow
def approved(folder: str) -> int:
    return mark(folder=folder, a=approve(mark(folder=folder), "go", timeout=timedelta(hours=1)))


@workflow
def leaving(folder: str) -> int:
    return leave(folder=folder)


@workflow
def aborted(folder: str) -> int:
    return slow(folder=folder)


@dynamic
def makes(folder: str) -> int:
    note(folder, "start")
    note(folder, "end")
    return echo(a=mark(folder=folder))


@workflow
def mapped(folder: str) -> list[int]:
    return map_task(functools.partial(mark, folder=folder), concurrency=3)(a=[1, 2, 3, 4, 5])


@task
def even(folder: str, a: int) -> int:
    note(folder, "start")
    if a % 2:
        raise ValueError(f"{a} is odd")
    note(folder, "end")
    return a


@workflow
def mapped_failing(folder: str) -> list[int]:
    return map_task(functools.partial(even, folder=folder))(a=[1, 3])


@workflow
def mapped_some(folder: str) -> list[int | None]:
    return map_task(functools.partial(even, folder=folder), min_success_ratio=0.5)(a=[1, 2, 4])


@workflow
def made(folder: str) -> int:
    return makes(folder=folder)


single_plan = LaunchPlan.get_or_create(single, name="faults.program.single_plan")
failing_plan = LaunchPlan.get_or_create(failing, name="faults.program.failing_plan")


@workflow
def parent(folder: str) -> int:
    return echo(a=single_plan(folder=folder))


@workflow
def mapped_children(folder: str) -> list[int]:
    return map_task(single_plan)(folder=[folder, folder, folder])


@workflow
def parent_failing(folder: str) -> int:
    return echo(a=failing_plan(folder=folder))


@workflow
def alone(folder: str, seed: int) -> str:
    """Computes what all runs with this seed need; only the suite of single flight runs it."""
    return computes(folder=folder, seed=seed)
