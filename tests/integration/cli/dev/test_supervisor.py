import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from flytetemporal.cli.dev.child_process import ProcessSpec
from flytetemporal.cli.dev.supervisor import Supervisor
from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.serving.notifications import NotificationSocket
from tests.fixtures.waiting import HANG_SECONDS, bounded, eventually

NOTIFY_AND_WAIT = (
    "from flytetemporal.cli.serving.notifications import notify; import time; notify('up', ready=True); time.sleep(60)"
)
IGNORE_THE_STOP = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {NOTIFY_AND_WAIT}"


class Stage:
    """A supervisor of python one-liners that notify it when they are ready."""

    def __init__(self, folder: Path, *programs: str, grace_seconds: float = 5.0) -> None:
        self._notifications = NotificationSocket(
            lambda pid, status, ready: self.supervisor.notified(pid, status, ready)
        )
        specs = [
            ProcessSpec(
                name=f"child-{number}",
                command=(sys.executable, "-c", program),
                log=folder / f"{number}.log",
                environment={"NOTIFY_SOCKET": self._notifications.address},
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


async def test_a_requested_stop_ends_every_process(tmp_path: Path) -> None:
    stage = Stage(tmp_path, NOTIFY_AND_WAIT, NOTIFY_AND_WAIT)
    await stage.until_ready()
    pids = [child.pid for child in stage.supervisor.children]

    stage.supervisor.request_stop()
    await bounded(stage.run)

    assert all(pid and not alive(pid) for pid in pids)


async def test_a_process_that_ignores_the_stop_is_killed_after_its_grace(tmp_path: Path) -> None:
    stage = Stage(tmp_path, IGNORE_THE_STOP, grace_seconds=0.3)
    await stage.until_ready()
    pid = stage.supervisor.children[0].pid

    stage.supervisor.request_stop()
    await bounded(stage.run)

    assert pid
    assert not alive(pid)


async def test_a_killed_process_is_restarted(tmp_path: Path) -> None:
    stage = Stage(tmp_path, NOTIFY_AND_WAIT)
    await stage.until_ready()
    (child,) = stage.supervisor.children
    first = child.pid
    assert first

    os.kill(first, signal.SIGKILL)
    await eventually(lambda: child.pid not in (None, first) and child.phase == "ready")

    assert child.restarts == 1
    stage.supervisor.request_stop()
    await stage.run


async def test_a_notification_that_arrives_while_the_process_is_spawned_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    received = asyncio.Event()
    start, receive = asyncio.create_subprocess_exec, Supervisor.notified

    async def slowly(*command: str, **options: Any) -> asyncio.subprocess.Process:
        process = await start(*command, **options)
        await bounded(received.wait())
        return process

    def notified(supervisor: Supervisor, *notification: Any) -> None:
        receive(supervisor, *notification)
        received.set()

    monkeypatch.setattr(asyncio, "create_subprocess_exec", slowly)
    monkeypatch.setattr(Supervisor, "notified", notified)
    stage = Stage(tmp_path, NOTIFY_AND_WAIT)

    await stage.until_ready()

    stage.supervisor.request_stop()
    await stage.run


async def test_a_process_that_never_was_ready_ends_the_run_with_the_end_of_its_log(tmp_path: Path) -> None:
    stage = Stage(tmp_path, NOTIFY_AND_WAIT, "raise SystemExit('no such table')")

    with pytest.raises(CommandError, match=r"child-1 did not start \(exit status 1\)(?s:.*)no such table"):
        await bounded(stage.run)

    assert all(child.pid is None for child in stage.supervisor.children)


async def test_the_end_of_the_log_is_that_of_this_start_and_not_of_earlier_ones(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "raise SystemExit('new trouble')")
    log = stage.supervisor.children[0].spec.log
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("old trouble\n" * 100)

    with pytest.raises(CommandError, match="new trouble") as raised:
        await bounded(stage.run)

    assert "old trouble" not in raised.value.message
    assert "old trouble" in log.read_text(), "earlier starts stay in the log"


async def test_children_of_a_dead_process_are_killed(tmp_path: Path) -> None:
    marker = tmp_path / "grandchild"
    program = f"import subprocess; p = subprocess.Popen(['sleep', '60']); open({str(marker)!r}, 'w').write(str(p.pid));"
    stage = Stage(tmp_path, program + NOTIFY_AND_WAIT)
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
