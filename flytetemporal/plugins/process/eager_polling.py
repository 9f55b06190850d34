"""How often flytekit's eager tasks ask for the executions that they have launched. Used in task processes only.

What they launch also gets a label with the node of the eager task, which flytekit does not know.

flytekit sleeps for two seconds in three places: before it launches what was called, between two questions for what
runs, and before it hands a result to the coroutine that awaits it. No setting shortens that, so the module
``flytekit.core.worker_queue`` gets other sleeps here: a call and a result wake who waits for them, and questions come
at once after a change, then ever less often, until they are as rare as flytekit's own.
"""

import asyncio
import os
import sys
import threading
import time
import types
from collections.abc import Callable
from typing import Any

from flytetemporal.idl import naming

MODULE = "flytekit.core.worker_queue"
SHORTEST_SECONDS = 0.05
LONGEST_SECONDS = 2.0
# What has run for ten seconds is asked for every two.
SHARE = 0.2
_REPLACED = ("_apply_updates", "add", "_close", "render_html", "get_labels")


def pause(since_change: float, round_seconds: float) -> float:
    """Return the seconds between two rounds of questions.

    Args:
        since_change: Seconds since a call or a result.
        round_seconds: Duration of the last round: with many executions, questions must not keep admin busy.
    """
    return min(LONGEST_SECONDS, max(SHORTEST_SECONDS, SHARE * since_change, round_seconds))


class Wakes:
    """Wakes the thread that asks, and the coroutines that await results."""

    def __init__(self) -> None:
        self._called = threading.Event()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._changed_at = self._woken_at = time.monotonic()

    def call(self) -> None:
        """Wake the thread: there is something to launch, or it must end."""
        self._changed_at = time.monotonic()
        self._called.set()

    def result(self) -> None:
        """Wake the coroutines."""
        self._changed_at = time.monotonic()
        waiting, self._waiting = self._waiting, []
        for loop, event in waiting:
            loop.call_soon_threadsafe(event.set)

    def sleep(self, _: float) -> None:
        """Sleep until the next round, in the thread."""
        now = time.monotonic()
        self._called.wait(pause(now - self._changed_at, now - self._woken_at))
        self._called.clear()
        self._woken_at = time.monotonic()

    async def wait(self, seconds: float) -> None:
        """Sleep until a result has come, in a coroutine."""
        event = asyncio.Event()
        entry = (asyncio.get_running_loop(), event)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            if entry in self._waiting:
                self._waiting.remove(entry)


class _Instead:
    """A module with some functions replaced."""

    def __init__(self, module: Any, **replaced: Callable[..., Any]) -> None:
        self.__dict__.update(replaced)
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def install() -> None:
    """Replace the sleeps of flytekit in this process, unless its version has others. Repeated calls change nothing."""
    queue: Any = sys.modules.get(MODULE)
    if (
        queue is None
        or isinstance(queue.time, _Instead)
        or not all(hasattr(queue.Controller, name) for name in _REPLACED)
    ):
        return
    wakes = Wakes()
    queue.time = _Instead(time, sleep=wakes.sleep)
    queue.asyncio = _Instead(asyncio, sleep=wakes.wait)
    queue.Deck = _deck(queue.Deck)
    controller = queue.Controller
    apply, add, close = controller._apply_updates, controller.add, controller._close  # noqa: SLF001

    def apply_updates(self: Any, updates: Any) -> None:
        apply(self, updates)
        if any(update.work_item.is_in_terminal_state for update in updates.values()):
            wakes.result()

    async def add_call(self: Any, entity: Any, input_kwargs: dict[str, Any]) -> Any:
        wakes.call()
        return await add(self, entity, input_kwargs)

    def close_controller(stopping_condition: threading.Event, runner: threading.Thread) -> None:
        stopping_condition.set()
        wakes.call()
        close(stopping_condition=stopping_condition, runner=runner)

    render = controller.render_html

    def render_launched(self: Any) -> Any:
        # flytekit fails, and its thread ends, if something is called while it launches what was called before.
        launched = {
            name: [item for item in list(items) if item.wf_exec is not None]
            for name, items in list(self.entries.items())
        }
        return render(types.SimpleNamespace(entries=launched, remote=self.remote))

    get_labels = controller.get_labels

    def labels_with_node(self: Any) -> Any:
        labels = get_labels(self)
        if node_id := os.environ.get(naming.EAGER_NODE_VARIABLE):
            labels.values[naming.EAGER_NODE_LABEL] = node_id
        return labels

    controller.get_labels = labels_with_node
    controller.render_html = render_launched
    controller._apply_updates, controller.add = apply_updates, add_call  # noqa: SLF001
    controller._close = staticmethod(close_controller)  # noqa: SLF001


def _deck(deck: Any) -> Any:
    """Return a class of decks that are published only if they differ from the last one: a deck is a file."""
    last = ""

    class Changed(deck):  # type: ignore[misc]
        def __init__(self, name: str, html: str = "") -> None:
            nonlocal last
            self.is_new = html != last
            last = html
            super().__init__(name, html, auto_add_to_deck=self.is_new)

        def publish(self) -> None:
            if self.is_new:
                deck.publish()

    return Changed
