"""One watch for all objects of a collection that somebody waits for, instead of a poll for each.

The watch resumes from the last version that it has seen, also after a restart of the API server; if that version is
gone (410), it lists again. Objects are told apart by their uid, since a name can be used again.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import structlog

from flytetemporal.errors import Unavailable
from flytetemporal.kube.api import KubeApi, KubeProblem

log = structlog.get_logger()

Json = dict[str, Any]
GONE, DENIED = 410, 403
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 10.0
LIST_AGAIN_SECONDS = 600.0
"""A list repairs what a watch has missed, if it ever does."""
_REMEMBERED = 10_000
_PAGE = "500"


class Watched:
    """An object that somebody waits for: its newest state, and whether it is gone."""

    def __init__(self) -> None:
        self.state: Json | None = None
        self.is_gone = False
        self._changed = asyncio.Event()

    def show(self, state: Json | None) -> None:
        """Set the newest state; None: the object is gone. The last state stays."""
        self.is_gone = state is None
        self.state = self.state if state is None else state
        self.wake()

    def wake(self) -> None:
        """Let the waiting one look again."""
        self._changed.set()

    async def change(self, seconds: float | None = None) -> bool:
        """Wait until something has changed since the last call, or for some seconds; return whether it has."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        changed = self._changed.is_set()
        self._changed.clear()
        return changed


class SharedWatch:
    """The objects of a collection with certain labels."""

    def __init__(self, api: KubeApi, path: str, selector: str) -> None:
        self._api = api
        self._path = path
        self._selector = {"labelSelector": selector} if selector else {}
        self._objects: dict[str, Json] = {}
        self._waiting: dict[str, Watched] = {}
        # The answer to a create can arrive after the event of its deletion.
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._synced = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._listed_at = 0.0
        self.problem = ""
        """Why the watch does not work at this moment; empty: it does."""
        self.denied = False
        """Whether the problem is that the worker may not watch these objects."""
        self.lists = 0
        """How often everything was listed."""

    @property
    def objects(self) -> list[Json]:
        """The newest states of all objects."""
        return list(self._objects.values())

    def start(self) -> None:
        """Start to watch."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def synced(self) -> None:
        """Wait until all objects have been listed once."""
        await self._synced.wait()

    def put(self, state: Json) -> None:
        """Add an object that was just created or read, unless the watch knows it already."""
        uid = state["metadata"]["uid"]
        if uid not in self._gone:
            self._objects.setdefault(uid, state)

    @contextlib.contextmanager
    def waiting(self, uid: str) -> Iterator[Watched]:
        """Follow an object while the context is open. It must have been ``put`` before."""
        watched = Watched()
        watched.show(self._objects.get(uid))
        self._waiting[uid] = watched
        try:
            yield watched
        finally:
            if self._waiting.get(uid) is watched:
                del self._waiting[uid]

    async def _run(self) -> None:
        pause, version = FIRST_PAUSE_SECONDS, ""
        clock = asyncio.get_running_loop().time
        while True:
            try:
                if not version or clock() - self._listed_at > LIST_AGAIN_SECONDS:
                    version = await self._list()
                    self._listed_at = clock()
                self._note("")
                async for event in self._api.watch(self._path, {**self._selector, "resourceVersion": version}):
                    version = self._apply(event) or version
                    pause = FIRST_PAUSE_SECONDS
                continue  # The server has ended the watch, as it does every few minutes.
            except KubeProblem as e:
                version = "" if e.status == GONE else version
                self._note("" if e.status == GONE else f"{self._path}: {e.message}", denied=e.status == DENIED)
            except Unavailable as e:
                self._note(e.message)
            except Exception:
                # Whatever it is, attempts wait for this task.
                log.exception("watch_failed", path=self._path)
                version = ""
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _list(self) -> str:
        """List all objects and return the version of the list."""
        known = set(self._objects)
        found: dict[str, Json] = {}
        query, page = {**self._selector, "limit": _PAGE}, ""
        while True:
            answer = await self._api.get(self._path, {**query, **({"continue": page} if page else {})})
            found.update({item["metadata"]["uid"]: item for item in answer.get("items") or ()})
            page = answer["metadata"].get("continue", "")
            if not page:
                break
        self.lists += 1
        for uid, state in found.items():
            self._show(uid, state)
        # What was put while the list was made need not be in it.
        for uid in known - found.keys():
            self._show(uid, None)
        self._synced.set()
        return str(answer["metadata"]["resourceVersion"])

    def _apply(self, event: Json) -> str:
        metadata = event["object"]["metadata"]
        if event["type"] != "BOOKMARK":
            self._show(metadata["uid"], None if event["type"] == "DELETED" else event["object"])
        return str(metadata.get("resourceVersion", ""))

    def _show(self, uid: str, state: Json | None) -> None:
        if state is None:
            self._objects.pop(uid, None)
            self._gone[uid] = None
            while len(self._gone) > _REMEMBERED:
                self._gone.popitem(last=False)
        else:
            self._objects[uid] = state
        watched = self._waiting.get(uid)
        if watched is not None:
            watched.show(state)

    def _note(self, problem: str, *, denied: bool = False) -> None:
        self.denied = denied
        if problem == self.problem:
            return
        self.problem = problem
        if problem:
            log.warning("watch_interrupted", path=self._path, problem=problem)
        for watched in self._waiting.values():
            watched.wake()
