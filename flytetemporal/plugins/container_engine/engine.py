"""podman or docker, driven by the commands that both have. Says what they answer, decides nothing.

Containers are found by name or label, never by an id that a dead worker would have taken with it.
"""

import asyncio
import contextlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from flytetemporal.errors import Unavailable

KNOWN = ("podman", "docker")
# For commands that only ask or tell; pulls, waits and the container itself take as long as they take.
_ANSWER_SECONDS = 120.0


class NoEngine(Exception):
    """No container engine answers on this machine; the text says which were tried."""


class EngineFailed(Exception):
    """The engine did not do what it was asked for; the text is what it says."""


@dataclass(frozen=True, slots=True)
class State:
    """A container as the engine sees it."""

    name: str
    has_run: bool
    exit_code: int
    out_of_memory: bool
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Answer:
    code: int
    output: str
    error: str

    @property
    def problem(self) -> str:
        return self.error.strip() or self.output.strip() or f"exit code {self.code}"


@dataclass(frozen=True, slots=True)
class Engine:
    """One of the two. ``command`` is its program; it runs in ``environment``."""

    command: str
    environment: Mapping[str, str]

    async def has_image(self, image: str) -> bool:
        """Say whether an image is on this machine."""
        return (await self._ask("image", "inspect", image)).code == 0

    async def pull(self, image: str) -> None:
        """Fetch an image.

        Raises:
            EngineFailed: it cannot be had.
        """
        answer = await self._run("pull", "--quiet", image)
        if answer.code:
            raise EngineFailed(answer.problem)

    async def create(self, arguments: Sequence[str], variables: Mapping[str, str]) -> None:
        """Create a container; ``variables`` are those which ``--env NAME`` takes over without showing them to anybody.

        Raises:
            EngineFailed: the engine refuses.
        """
        answer = await self._ask("create", *arguments, variables=variables)
        if answer.code:
            raise EngineFailed(answer.problem)

    async def attach(self, name: str, log: Path, directory: Path) -> None:
        """Start a created container and return when it has ended; what it prints is appended to ``log``.

        podman's monitor runs in ``directory`` and leaves a file there when memory has run out.
        """
        with log.open("ab") as output:
            process = await self._spawn(
                "start", "--attach", name, stdout=output.fileno(), stderr=output.fileno(), directory=directory
            )
            await _ended(process)
        # The program that was attached may have been killed; the container has not ended for that.
        await self._run("wait", name)

    async def state(self, name: str) -> State | None:
        """Return a container's state, or None when there is no such container."""
        answer = await self._ask("inspect", "--type", "container", name)
        if answer.code:
            return None
        try:
            return _state(json.loads(answer.output)[0])
        except (ValueError, KeyError, IndexError, TypeError) as e:
            raise Unavailable(f"{self.command} describes container {name} in an unknown way") from e

    async def stop(self, name: str, grace: timedelta) -> None:
        """Ask a container to end and kill it after ``grace``; one that is not there is no error."""
        await self._run("stop", "-t", str(max(int(grace.total_seconds()), 0)), name)

    async def remove(self, name: str) -> None:
        """Kill what still runs of a container and remove it; one that is not there is no error."""
        answer = await self._ask("rm", "--force", "--volumes", name)
        if answer.code and await self.state(name) is not None:
            raise Unavailable(f"{self.command} does not remove container {name}: {answer.problem}")

    async def labelled(self, label: str, value: str) -> list[State]:
        """Return the containers, running or not, that carry a label."""
        answer = await self._ask("ps", "--all", "--quiet", "--filter", f"label={label}={value}")
        found = [await self.state(number) for number in answer.output.split()]
        return [state for state in found if state is not None]

    async def answers(self) -> bool:
        """Say whether the program is there and, where it needs one, its server."""
        try:
            return (await self._ask("version")).code == 0
        except (OSError, Unavailable):
            return False

    async def _ask(self, *arguments: str, variables: Mapping[str, str] | None = None) -> _Answer:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await self._run(*arguments, variables=variables)
        except TimeoutError as e:
            raise Unavailable(f"{self.command} {arguments[0]} does not answer") from e

    async def _run(self, *arguments: str, variables: Mapping[str, str] | None = None) -> _Answer:
        process = await self._spawn(
            *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, variables=variables
        )
        reading = asyncio.ensure_future(process.communicate())
        try:
            output, error = await reading
        finally:
            await _killed(process)
        return _Answer(process.returncode or 0, output.decode(errors="replace"), error.decode(errors="replace"))

    async def _spawn(
        self,
        *arguments: str,
        stdout: int,
        stderr: int,
        variables: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(self.command, *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env={**self.environment, **(variables or {})},
            cwd=directory,
            start_new_session=True,  # Ctrl-C in the worker's terminal is not for tasks.
        )


async def find(setting: str, environment: Mapping[str, str]) -> Engine:
    """Return the engine that a setting names, or the first known one that answers.

    Raises:
        NoEngine: there is none.
    """
    tried = []
    for name in (setting,) if setting else KNOWN:
        path = shutil.which(name, path=environment.get("PATH"))
        if path is None:
            tried.append(f"{name} is not installed")
            continue
        engine = Engine(path, environment)
        if await engine.answers():
            return engine
        tried.append(f"{name} does not answer")
    raise NoEngine(", ".join(tried))


async def _ended(process: asyncio.subprocess.Process) -> None:
    try:
        await process.wait()
    finally:
        await _killed(process)


async def _killed(process: asyncio.subprocess.Process) -> None:
    """End the engine's program when nobody waits for it any more; what it had started goes on."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _state(found: Any) -> State:
    state = found["State"]
    return State(
        name=str(found["Name"]).lstrip("/"),
        has_run=state["Status"] not in ("created", "configured", "initialized"),
        exit_code=int(state["ExitCode"]),
        out_of_memory=bool(state.get("OOMKilled")),
        labels=found["Config"].get("Labels") or {},
    )
