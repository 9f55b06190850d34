import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from flytetemporal.cli.dev.child import ChildSpec
from flytetemporal.cli.dev.supervisor import Supervisor
from flytetemporal.cli.problems import CommandFailed
from flytetemporal.cli.wiring.notify import Listener
from tests.fixtures.waiting import HANG_SECONDS, bounded, eventually

TELL_AND_WAIT = "from flytetemporal.cli import notify; import time; notify.tell('up', ready=True); time.sleep(60)"
IGNORE_THE_STOP = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "from flytetemporal.cli import notify; notify.tell('up', ready=True); time.sleep(60)"
)


class Stage:
    """A supervisor of python one-liners that say themselves when they are ready."""

    def __init__(self, folder: Path, *programs: str, grace_seconds: float = 5.0) -> None:
        self._listener = Listener(lambda pid, status, ready: self.supervisor.heard(pid, status, ready))
        specs = [
            ChildSpec(
                name=f"child-{number}",
                command=(sys.executable, "-c", program),
                log=folder / f"{number}.log",
                environment={"NOTIFY_SOCKET": self._listener.address},
                grace_seconds=grace_seconds,
            )
            for number, program in enumerate(programs)
        ]
        self.supervisor = Supervisor([specs], lambda: None)
        self.ready = asyncio.Event()
        self.run = asyncio.create_task(self.supervisor.run(self.ready.set))

    async def until_ready(self) -> None:
        ready = asyncio.create_task(self.ready.wait())
        await asyncio.wait([ready, self.run], timeout=HANG_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if self.run.done():
            await self.run
        assert self.ready.is_set()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_requested_stop_ends_every_child(tmp_path: Path) -> None:
    stage = Stage(tmp_path, TELL_AND_WAIT, TELL_AND_WAIT)
    await stage.until_ready()
    pids = [child.pid for child in stage.supervisor.children]

    stage.supervisor.request_stop()
    await bounded(stage.run)

    assert all(pid and not alive(pid) for pid in pids)


async def test_a_child_that_ignores_the_stop_is_killed_after_its_grace(tmp_path: Path) -> None:
    stage = Stage(tmp_path, IGNORE_THE_STOP, grace_seconds=0.3)
    await stage.until_ready()
    pid = stage.supervisor.children[0].pid

    stage.supervisor.request_stop()
    await bounded(stage.run)

    assert pid
    assert not alive(pid)


async def test_a_killed_child_starts_again(tmp_path: Path) -> None:
    stage = Stage(tmp_path, TELL_AND_WAIT)
    await stage.until_ready()
    (child,) = stage.supervisor.children
    first = child.pid
    assert first

    os.kill(first, signal.SIGKILL)
    await eventually(lambda: child.pid not in (None, first) and child.phase == "ready")

    assert child.restarts == 1
    stage.supervisor.request_stop()
    await stage.run


async def test_a_child_that_is_ready_before_its_start_has_returned_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = asyncio.Event()
    start, hear = asyncio.create_subprocess_exec, Supervisor.heard

    async def slowly(*command: str, **options: Any) -> asyncio.subprocess.Process:
        process = await start(*command, **options)
        await bounded(told.wait())
        return process

    def heard(supervisor: Supervisor, *message: Any) -> None:
        hear(supervisor, *message)
        told.set()

    monkeypatch.setattr(asyncio, "create_subprocess_exec", slowly)
    monkeypatch.setattr(Supervisor, "heard", heard)
    stage = Stage(tmp_path, TELL_AND_WAIT)

    await stage.until_ready()

    stage.supervisor.request_stop()
    await stage.run


async def test_a_child_that_never_was_ready_ends_the_run_with_its_last_words(tmp_path: Path) -> None:
    stage = Stage(tmp_path, TELL_AND_WAIT, "raise SystemExit('no such table')")

    with pytest.raises(CommandFailed, match=r"child-1 did not start \(exit status 1\)(?s:.*)no such table"):
        await bounded(stage.run)

    assert all(child.pid is None for child in stage.supervisor.children)


async def test_what_a_dead_child_left_behind_is_swept_up(tmp_path: Path) -> None:
    marker = tmp_path / "grandchild"
    program = f"import subprocess; p = subprocess.Popen(['sleep', '60']); open({str(marker)!r}, 'w').write(str(p.pid));"
    stage = Stage(tmp_path, program + TELL_AND_WAIT)
    await stage.until_ready()
    (child,) = stage.supervisor.children
    grandchild = int(marker.read_text())
    assert child.pid
    assert alive(grandchild)

    os.kill(child.pid, signal.SIGKILL)
    await eventually(lambda: child.restarts == 1)

    await eventually(lambda: not alive(grandchild))
    stage.supervisor.request_stop()
    await stage.run
