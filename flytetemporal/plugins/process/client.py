"""The worker's side of the fork server: start it, request processes, and replace it if it has died or is outdated."""

import asyncio
import dataclasses
import itertools
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import structlog

from flytetemporal.errors import Unavailable
from flytetemporal.plugins.process import bundles, changes, scratch
from flytetemporal.plugins.process.messages import Launch
from flytetemporal.plugins.process.running import Process, Server, ServerLost

log = structlog.get_logger()

CHECK_SECONDS = 1.0


class ForkServerClient:
    """Starts processes for all attempts of a worker. It has one current server, and old ones that still have children.

    ``folder`` holds scratch files of the servers and the cache of bundles. ``options`` are those of each server.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], options: Sequence[str] = ()) -> None:
        self._folder = folder
        self._options = tuple(options)
        self._environment = dict(environment)
        self._ids = itertools.count(1)
        self._lock = asyncio.Lock()
        self._current: Server | None = None
        self._servers: set[Server] = set()
        self._checked_at = 0.0

    @property
    def bundles(self) -> Path:
        """The cache of unpacked code distributions."""
        return self._folder / "bundles"

    async def warm_up(self) -> None:
        """Start a server, so that the first task does not have to wait for it."""
        await asyncio.to_thread(bundles.prune, self.bundles)
        for path in await asyncio.to_thread(scratch.remove_abandoned, self._folder):
            log.info("abandoned_folder_removed", path=str(path))
        await self._server()

    async def launch(self, launch: Launch) -> Process:
        """Run a command and return when it has a process. The id and the cache of bundles of ``launch`` are set here.

        Raises:
            Unavailable: no server can be started, or it cannot fork.
        """
        launch = dataclasses.replace(launch, id=next(self._ids), bundles=str(self.bundles))
        for _ in range(2):
            server = await self._server()
            process = server.launch(launch)
            try:
                await asyncio.shield(process.pid)
            except ServerLost:
                continue  # The server may have been dead before the request, so try a new one.
            except asyncio.CancelledError:
                # The caller does not know the process yet, so nothing else would stop it.
                await process.stop(timedelta(0))
                raise
            return process
        raise Unavailable("the fork server dies when a process is requested; the worker's log has its output")

    async def close(self) -> None:
        """Stop every server, which kills the processes that still run."""
        async with self._lock:
            servers, self._current = list(self._servers), None
        # Not a TaskGroup: a server that cannot be closed must not keep the others open.
        await asyncio.gather(*(server.close() for server in servers))

    async def _server(self) -> Server:
        async with self._lock:
            current = self._current
            if current is not None and not current.alive:
                current = None
            if current is not None and await self._is_stale(current):
                current.retire()
                current = None
            if current is None:
                self._servers = {server for server in self._servers if server.alive}
                current = await Server.start(self._folder, self._environment, self._options)
                self._servers.add(current)
                self._checked_at = time.monotonic()
            self._current = current
            return current

    async def _is_stale(self, server: Server) -> bool:
        if time.monotonic() - self._checked_at < CHECK_SECONDS:
            return False
        path = await asyncio.to_thread(changes.changed, server.files)
        self._checked_at = time.monotonic()
        if path:
            log.info("fork_server_outdated", changed=path)
        return bool(path)
