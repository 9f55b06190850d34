"""Run a small task several times in the fork server, before it forks.

What flytekit and Python do only once per process has been done then: imports in functions, regular expressions, source
lines for stack traces, caches of types, specialized bytecode. A fork would do it again for each attempt, and each
write to memory that it shares with the server copies a page. Everything else is put back as it was.
"""

import asyncio
import contextlib
import faulthandler
import importlib
import os
import shutil
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from flyteidl.core import literals_pb2

from flytetemporal.plugins.process import entrypoints, own_process

# The interpreter specializes functions after eight calls.
ROUNDS = 10
_MODULE, _TASK = "flytetemporal.plugins.process.rehearsed_tasks", "answer"
_ENVIRONMENT = {
    "FLYTE_INTERNAL_EXECUTION_ID": "rehearsal",
    "FLYTE_INTERNAL_EXECUTION_PROJECT": "p",
    "FLYTE_INTERNAL_EXECUTION_DOMAIN": "d",
    "FLYTE_INTERNAL_TASK_PROJECT": "p",
    "FLYTE_INTERNAL_TASK_DOMAIN": "d",
    "FLYTE_INTERNAL_TASK_NAME": _TASK,
    "FLYTE_INTERNAL_TASK_VERSION": "v",
    "_F_L_MIN_SIZE_MB": "1",
    "_F_L_MAX_SIZE_MB": "1000",
}


class Failed(Exception):
    """The rehearsal has failed, or left something behind. The process must not fork then."""


def rehearse() -> None:
    """Run the task ``ROUNDS`` times in this process, which has flytekit loaded and a single thread.

    Raises:
        Failed: the process is not as it was.
    """
    before = own_process.open_files()
    folder = Path(tempfile.mkdtemp(prefix="rehearsal-"))
    try:
        with _silence(), _same_environment(), _no_threads(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # One that is reported now would not be reported in a task.
            inputs = folder / "inputs.pb"
            inputs.write_bytes(_inputs().SerializeToString())
            for number in range(ROUNDS):
                _run(inputs, folder / str(number))
    except BaseException as e:
        raise Failed(f"{type(e).__name__}: {e}") from e
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _forget()
    left = own_process.open_files() - before
    if left:
        raise Failed(f"open files are left: {', '.join(sorted(left))}")


def _inputs() -> literals_pb2.LiteralMap:
    values = {"count": {"integer": 1}, "factor": {"float_value": 1.0}, "text": {"string_value": "x"}}
    inputs = literals_pb2.LiteralMap()
    for name, value in {**values, "negative": {"boolean": False}}.items():
        primitive = literals_pb2.Primitive(**value)  # type: ignore[arg-type]
        inputs.literals[name].CopyFrom(literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=primitive)))
    return inputs


def _run(inputs: Path, folder: Path) -> None:
    arguments = (
        *("--inputs", f"file://{inputs}", "--output-prefix", f"file://{folder}/out"),
        *("--raw-output-data-prefix", f"file://{folder}/raw", "--checkpoint-path", f"file://{folder}/checkpoint"),
        *("--prev-checkpoint", "", "--resolver", "flytekit.core.python_auto_container.default_task_resolver", "--"),
        *("task-module", _MODULE, "task-name", _TASK),
    )
    command: click.Command = sys.modules[entrypoints.ENTRYPOINT].execute_task_cmd
    entities = importlib.import_module("flytekit.core.context_manager").FlyteEntities.entities
    known = len(entities)
    try:
        command.main(args=list(arguments), prog_name=entrypoints.EXECUTE, standalone_mode=False)
    finally:
        # flytekit lists all tasks that have been declared. The module is imported again in the next round.
        del entities[known:]
        sys.modules.pop(_MODULE, None)
    if not (folder / "out" / "outputs.pb").exists():
        raise Failed("the task has written no outputs")


def _forget() -> None:
    """Close and forget what flytekit keeps for the next task."""
    stats: Any = importlib.import_module("flytekit.interfaces.stats.client")
    if stats._stats_client is not None:  # noqa: SLF001  forks must not share its socket
        stats._stats_client.close()  # noqa: SLF001
        stats._stats_client = None  # noqa: SLF001
    importlib.import_module("flytekit.utils.asyn").loop_manager._runner_map.clear()  # noqa: SLF001
    faulthandler.unregister(signal.SIGUSR1)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Send standard output and standard error, which are those of the worker, nowhere."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    kept = {stream: os.dup(stream) for stream in (1, 2)}
    try:
        for stream in kept:
            os.dup2(nothing, stream)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for stream, copy in kept.items():
            os.dup2(copy, stream)
            os.close(copy)
        os.close(nothing)


@contextlib.contextmanager
def _same_environment() -> Iterator[None]:
    environment, path = dict(os.environ), list(sys.path)
    os.environ.update(_ENVIRONMENT)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        sys.path[:] = path


@contextlib.contextmanager
def _no_threads() -> Iterator[None]:
    """Run coroutines in this thread, where flytekit would start one with an event loop for them."""

    def run(_: object, coroutine: Any) -> Any:
        loop = asyncio.new_event_loop()
        try:
            return loop.run_until_complete(coroutine)
        finally:
            loop.close()

    runner = importlib.import_module("flytekit.utils.asyn")._TaskRunner  # noqa: SLF001  there is no public switch
    original, runner.run = runner.run, run
    try:
        yield
    finally:
        runner.run = original
