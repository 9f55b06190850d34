"""Start processes that run several attempts one after another."""

import asyncio
import dataclasses
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from flytetemporal.plugins.local import limits
from flytetemporal.plugins.local.host import Host
from flytetemporal.plugins.local.outcome import Exit
from flytetemporal.plugins.local.running import Running
from flytetemporal.plugins.local.workspace import Workspace
from flytetemporal.plugins.process.batch.plan import Plan, Turn
from flytetemporal.plugins.process.batch.process import BatchProcess, Hooks, Logs, Progress
from flytetemporal.plugins.process.client import ForkServerClient
from flytetemporal.plugins.process.messages import Launch
from flytetemporal.plugins.process.running import Process
from flytetemporal.plugins.process.warm import keys
from flytetemporal.plugins.protocol import PhaseInfo, TaskContext

LastPhase = Callable[[TaskContext, Running[Process], Exit], Awaitable[PhaseInfo]]
Started = Callable[[TaskContext, Running[Process]], PhaseInfo]
_FOLDER = "turns"


@dataclass(frozen=True, slots=True)
class Batches:
    """The batches of one plugin. ``last_phase`` tells what the end of an attempt means."""

    host: Host
    client: ForkServerClient
    grace: timedelta
    started: Started
    last_phase: LastPhase
    logs: Logs

    async def start(
        self,
        contexts: Sequence[TaskContext],
        environment: Callable[[TaskContext, Workspace], Awaitable[dict[str, str]]],
        memory_bytes: int,
    ) -> BatchProcess:
        """Start the attempts of ``contexts`` in the folders of the first; ``environment`` returns its variables.

        Raises:
            Rejected: a secret is missing.
            Unavailable: no process can be started.
        """
        folders = self.host.workspace(contexts[0])
        try:
            await asyncio.to_thread(folders.make)
            return await self._start(contexts, folders, await environment(contexts[0], folders), memory_bytes)
        except BaseException:
            await asyncio.to_thread(folders.remove)
            raise

    async def _start(
        self, contexts: Sequence[TaskContext], folders: Workspace, variables: dict[str, str], memory_bytes: int
    ) -> BatchProcess:
        first, kills = contexts[0], limits.kernel_kills()
        plan = Plan(folders.folder / _FOLDER)
        logs = [self.host.logs.local_path(context) or folders.folder / f"{n}.log" for n, context in enumerate(contexts)]
        await asyncio.to_thread(_make, plan, contexts, variables, logs)
        launch = Launch(
            id=0,
            tag=first.key,
            command=first.command,
            environment=variables,
            directory=str(folders.directory),
            log=str(logs[0]),
            bundles="",
            memory_bytes=memory_bytes,
            warm=keys.wanted(variables),
            turns=str(plan.folder),
        )
        progress = Progress.of(plan)
        try:
            process = await self.client.launch(launch)
        except BaseException:
            progress.close()
            raise
        running = [Running(process, dataclasses.replace(folders, log=log), kills) for log in logs]
        hooks = Hooks(self._started, self._ended, lambda: asyncio.to_thread(folders.remove))
        return BatchProcess(contexts, running, plan, progress, hooks, self.grace)

    def _started(self, context: TaskContext, running: Running[Process]) -> PhaseInfo:
        self.logs.opened(context, running)
        return self.started(context, running)

    async def _ended(self, context: TaskContext, running: Running[Process], ended: Exit) -> PhaseInfo:
        last = await self.last_phase(context, running, ended)
        self.logs.closed(context)
        await self.host.logs.keep(context, running.workspace.log)
        return last


def _make(plan: Plan, contexts: Sequence[TaskContext], variables: dict[str, str], logs: Sequence[Path]) -> None:
    """Make the folder of a batch, and an empty log for each attempt."""
    common = contexts[0].environment
    turns = []
    for context, log in zip(contexts, logs, strict=True):
        own = {name: value for name, value in context.environment.items() if common.get(name) != value}
        # A secret has precedence over a variable of the same name.
        own = {name: value for name, value in own.items() if variables.get(name) == common.get(name)}
        turns.append(Turn(context.key, context.command, own, str(log)))
        log.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644))
    plan.make(turns)
