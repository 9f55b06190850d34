"""podman or docker, by the commands that both have. This module reports what they answer and decides nothing.

Containers are found by name or label, never by id, since ids are lost with a worker that dies.
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
# For commands that answer at once; pulls, waits and the container itself have no limit.
_ANSWER_SECONDS = 120.0


class NoEngine(Exception):
    """No container engine answers on this machine; the text names those that were tried."""


class EngineFailed(Exception):
    """A command of the engine has failed; the text is the engine's."""


@dataclass(frozen=True, slots=True)
class State:
    """The state of a container."""

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
    """A container engine; ``command`` is the path of its program, which runs in ``environment``."""

    command: str
    environment: Mapping[str, str]

    async def has_image(self, image: str) -> bool:
        """Whether an image is on this machine."""
        return (await self._ask("image", "inspect", image)).code == 0

    async def pull(self, image: str) -> None:
        """Fetch an image.

        Raises:
            EngineFailed: the image cannot be fetched.
        """
        answer = await self._run("pull", "--quiet", image)
        if answer.code:
            raise EngineFailed(answer.problem)

    async def create(self, arguments: Sequence[str], variables: Mapping[str, str]) -> None:
        """Create a container. ``--env NAME`` takes the value of NAME from ``variables``, which no command line shows.

        Raises:
            EngineFailed: the engine refuses.
        """
        answer = await self._ask("create", *arguments, variables=variables)
        if answer.code:
            raise EngineFailed(answer.problem)

    async def attach(self, name: str, log: Path, directory: Path) -> None:
        """Start a created container and return when it has ended; its output is appended to ``log``.

        podman's monitor runs in ``directory``, where it leaves a file if memory has run out.
        """
        with log.open("ab") as output:
            process = await self._spawn(
                "start", "--attach", name, stdout=output.fileno(), stderr=output.fileno(), directory=directory
            )
            await _ended(process)
        # If only the attached program was killed, the container still runs.
        await self._run("wait", name)

    async def state(self, name: str) -> State | None:
        """Return a container's state, or None if there is no such container."""
        answer = await self._ask("inspect", "--type", "container", name)
        if answer.code:
            return None
        try:
            return _state(json.loads(answer.output)[0])
        except (ValueError, KeyError, IndexError, TypeError) as e:
            raise Unavailable(f"{self.command} describes container {name} in an unknown form") from e

    async def stop(self, name: str, grace: timedelta) -> None:
        """Ask a container to end, and kill it after ``grace``. A container that does not exist is no error."""
        await self._run("stop", "-t", str(max(int(grace.total_seconds()), 0)), name)

    async def remove(self, name: str) -> None:
        """Kill and remove a container. A container that does not exist is no error."""
        answer = await self._ask("rm", "--force", "--volumes", name)
        if answer.code and await self.state(name) is not None:
            raise Unavailable(f"{self.command} does not remove container {name}: {answer.problem}")

    async def labelled(self, label: str, value: str) -> list[State]:
        """Return the containers, running or not, that have a label."""
        answer = await self._ask("ps", "--all", "--quiet", "--filter", f"label={label}={value}")
        found = [await self.state(number) for number in answer.output.split()]
        return [state for state in found if state is not None]

    async def answers(self) -> bool:
        """Whether the program answers and, if it needs one, its server."""
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
            start_new_session=True,  # Ctrl-C in the worker's terminal must not reach tasks.
        )


async def find(setting: str, environment: Mapping[str, str]) -> Engine:
    """Return the engine that a setting names, or the first known one that answers.

    Raises:
        NoEngine: none answers.
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
    """Kill the engine's program if its caller was cancelled; a container that it has started continues."""
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
