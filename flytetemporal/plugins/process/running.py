"""A fork server and the processes that it runs, on the side of the worker."""

import asyncio
import contextlib
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import structlog

from flytetemporal.errors import Unavailable
from flytetemporal.plugins.local.outcome import Exit
from flytetemporal.plugins.process import changes, descendants, messages
from flytetemporal.plugins.process.messages import Ended, Launch, Message, Ready, Refused, Signal, Started, Warmed
from flytetemporal.plugins.process.scratch import Scratch

log = structlog.get_logger()

MODULE = "flytetemporal.plugins.process.forkserver"
START_SECONDS = 180
STOP_SECONDS = 5
# The list of loaded files is one line.
_LINE_LIMIT_BYTES = 16 * 1024 * 1024


class ServerLost(Exception):
    """The server has died before it answered."""


class Process:
    """A running command, with everything that it has started in its process group."""

    def __init__(self, launch: Launch, send: Callable[[Message], None]) -> None:
        self._launch = launch
        self._send = send
        self.note = ""
        self.pid: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._exit: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()

    async def wait(self) -> Exit:
        """Return when the process and its group are gone. Cancelling this call does not stop them."""
        return await asyncio.shield(self._exit)

    async def stop(self, grace: timedelta) -> Exit:
        """Ask the group to end, kill it after ``grace``, and return when it is gone."""
        if not self._exit.done():
            self._send(Signal(self._launch.id, signal.SIGTERM))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace.total_seconds()):
                    return await self.wait()
            self._send(Signal(self._launch.id, signal.SIGKILL))
        return await self.wait()

    def started(self, pid: int, note: str = "") -> None:
        """Set the process id, and why the code of the task is imported anew."""
        self.note = note
        self.pid.set_result(pid)

    def refused(self, reason: str) -> None:
        """Set the reason why there is no process."""
        self.pid.set_exception(Unavailable(f"the fork server refused a process: {reason}"))
        self.pid.exception()  # Read, since the caller may have been cancelled.
        self._exit.set_result(Exit(None, lost=True))

    def ended(self, result: Exit) -> None:
        """Set how the process has ended."""
        if not self._exit.done():
            self._exit.set_result(result)

    def lose(self) -> None:
        """Clean up after a server that has died: kill what still runs of the group."""
        if not self.pid.done():
            self.pid.set_exception(ServerLost())
            self.pid.exception()  # Read, so that asyncio does not log an exception that no caller awaits any more.
        elif not self._exit.done() and self.pid.exception() is None:
            descendants.kill_group(self.pid.result())
            descendants.kill_tagged(self._launch.tag)
        self.ended(Exit(None, signal=signal.SIGKILL, lost=True))


class Server:
    """A fork server process, and the processes requested from it."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        scratch: Scratch,
    ) -> None:
        self._process = process
        self._writer = writer
        self._scratch = scratch
        self._processes: dict[int, Process] = {}
        self._ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        self._retired = False
        self._closing = False
        self._reading = asyncio.create_task(self._read(reader))
        self.alive = True
        self.files: Mapping[str, changes.Stamp] = {}

    @classmethod
    async def start(cls, folder: Path, environment: Mapping[str, str], options: Sequence[str] = ()) -> "Server":
        """Start a server that keeps its scratch files under ``folder``, and wait until it has loaded flytekit.

        ``options`` are those of ``python -m flytetemporal.plugins.process.forkserver``.

        Raises:
            Unavailable: the server does not start.
        """
        scratch = await asyncio.to_thread(Scratch.make, folder)
        ours, theirs = socket.socketpair()
        started_at = time.monotonic()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", MODULE, *options),
                stdin=theirs.fileno(),
                stdout=asyncio.subprocess.DEVNULL,
                env={**environment, "TMPDIR": str(scratch.path)},
                cwd=scratch.path,
                start_new_session=True,  # Ctrl-C in the worker's terminal must not reach tasks.
            )
        reader, writer = await asyncio.open_connection(sock=ours, limit=_LINE_LIMIT_BYTES)
        server = cls(process, reader, writer, scratch)
        try:
            await server._until_ready()
        except BaseException:
            await server.close()
            raise
        log.info("fork_server_started", pid=process.pid, seconds=round(time.monotonic() - started_at, 2))
        return server

    async def _until_ready(self) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                ready = await asyncio.shield(self._ready)
        except (ServerLost, TimeoutError) as e:
            raise Unavailable("the fork server did not start; the worker's log has its output") from e
        self.files = ready.files
        if ready.problem:
            log.warning("fork_server_cold", problem=ready.problem)

    def launch(self, launch: Launch) -> Process:
        """Request a process."""
        process = self._processes[launch.id] = Process(launch, self.send)
        self.send(launch)
        if not self.alive:
            process.lose()
        return process

    def send(self, message: Message) -> None:
        """Send a message. One to a dead server is dropped: its processes are gone too."""
        if self.alive:
            self._writer.write(messages.encode(message))

    def retire(self) -> None:
        """Stop the server when its last process has ended; no more are requested from it."""
        self._retired = True
        self._stop_when_idle()

    async def close(self) -> None:
        """Stop the server, which kills what still runs."""
        self._closing = True
        self._writer.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        if self._process.returncode is None:
            self._process.kill()
        await self._reading

    def _stop_when_idle(self) -> None:
        if self._retired and not self._processes:
            self._writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                self._receive(messages.decode(line))
        except ConnectionError:
            pass
        finally:
            await self._clean_up()

    def _receive(self, message: Message) -> None:
        match message:
            case Ready():
                self._ready.set_result(message)
            case Started(id=number, pid=pid, note=note):
                self._processes[number].started(pid, note)
            case Warmed(problem=""):
                log.info("code_kept", module=message.module, bytes=message.private_bytes, seconds=message.seconds)
            case Warmed():
                log.warning("code_not_kept", module=message.module, problem=message.problem)
            case Refused(id=number, reason=reason):
                self._processes.pop(number).refused(reason)
            case Ended(id=number, status=status):
                self._processes.pop(number).ended(Exit.of(status))
                self._stop_when_idle()
            case _:
                raise TypeError(f"unexpected message from the fork server: {message}")

    async def _clean_up(self) -> None:
        self.alive = False
        self._writer.close()
        if self._processes and not self._closing:
            log.warning("fork_server_died", pid=self._process.pid, processes=len(self._processes))
        for process in self._processes.values():
            process.lose()
        self._processes.clear()
        if not self._ready.done():
            self._ready.set_exception(ServerLost())
            self._ready.exception()  # Read, since a server that is closed while it starts has no caller that awaits it.
        await self._process.wait()
        await asyncio.to_thread(self._scratch.remove)
