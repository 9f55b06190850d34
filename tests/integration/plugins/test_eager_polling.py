"""flytekit's controller of eager tasks, with our sleeps: in a process of its own, since flytekit is changed there."""

import functools
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from flytetemporal.plugins.process import eager_polling

Run = Callable[[str], str]
CONTROLLER = """
    import asyncio, sys, threading, types

    import flytekit.core.worker_queue as queue
    from flytekit import task
    from flytekit.configuration import ImageConfig, SerializationSettings
    from flytekit.models.core.execution import WorkflowExecutionPhase as Phase
    from flytetemporal.plugins.process import eager_polling

    class Outputs:
        def as_python_native(self, interface):
            return "ended"

    class Remote:
        '''Runs nothing: an execution has succeeded when it is asked for the third time.'''

        config = types.SimpleNamespace(platform=types.SimpleNamespace(endpoint=""))
        _ctx = None
        during_launch = staticmethod(lambda: None)

        def execute(self, entity, execution_name, **_):
            self.during_launch()
            closure = types.SimpleNamespace(phase=Phase.RUNNING, error=None)
            name = types.SimpleNamespace(name=execution_name)
            return types.SimpleNamespace(id=name, closure=closure, asked=0, outputs=Outputs(), is_done=False)

        def sync_execution(self, execution):
            execution.asked += 1
            if execution.asked == 3:
                execution.closure.phase = Phase.SUCCEEDED
            return execution

        def generate_console_url(self, execution):
            return ""

    @task
    def step(a: int) -> str:
        return str(a)

    published = []
    publish = staticmethod(lambda: published.append(1))
    queue.Deck = type("Deck", (), {"__init__": lambda *_, **__: None, "publish": publish})
    nothing = lambda *_: None
    queue.FlyteContextManager = types.SimpleNamespace(
        current_context=nothing, push_context=nothing, pop_context=nothing
    )
    eager_polling.install()
    eager_polling.install()
    remote = Remote()
    queue.RateLimiter.sync_acquire = nothing  # Sixty launches a minute.
    settings = SerializationSettings(image_config=ImageConfig.auto(), version="v1")
    controller = queue.Controller(remote, settings, "tag", "root", "prefix")
    call = lambda number: controller.add(step, {"a": number})
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return functools.partial(run_in, tmp_path / "program.py")


def run_in(path: Path, script: str) -> str:
    path.write_text(textwrap.dedent(CONTROLLER) + textwrap.dedent(script))
    # flytekit alone would take two minutes for the steps below.
    ended = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stderr
    assert "Error in eager execution processor" not in ended.stderr
    return ended.stdout


def test_thirty_steps_one_after_the_other_do_not_wait_for_flytekits_sleeps(run: Run) -> None:
    printed = run(
        """
        async def main():
            print([await call(number) for number in range(30)].count("ended"))
        asyncio.run(main())
        """
    )
    assert printed == "30\n"


def test_what_is_called_during_a_launch_is_launched_in_the_next_round(run: Run) -> None:
    printed = run(
        """
        async def main():
            loop, second = asyncio.get_running_loop(), []
            def call_another():
                if not second:
                    second.append(asyncio.run_coroutine_threadsafe(call(2), loop))
                    while len(controller.entries[step.name]) < 2: pass
            remote.during_launch = call_another
            print(await call(1), await asyncio.wrap_future(second[0]))
        asyncio.run(main())
        """
    )
    assert printed == "ended ended\n"


def test_the_deck_is_published_only_if_it_has_changed(run: Run) -> None:
    printed = run(
        """
        asyncio.run(call(1))
        print(len(published))
        """
    )
    # Launched, and ended; the rounds in between publish nothing.
    assert int(printed) <= 2


def test_what_is_launched_names_the_node_of_the_eager_task(run: Run) -> None:
    printed = run(
        """
        import os

        print(sorted(controller.get_labels().values))
        os.environ["FLYTETEMPORAL_EAGER_NODE"] = "n0-0-dn1"
        print(controller.get_labels().values["flytetemporal.io/eager-node"])
        """
    )
    assert printed == "['eager-exec', 'eager-root-exec']\nn0-0-dn1\n"


@pytest.mark.parametrize(
    ("since_change", "round_seconds", "seconds"),
    [(0, 0, 0.05), (1, 0.01, 0.2), (5, 0.01, 1.0), (3600, 0.01, 2.0), (0, 0.7, 0.7), (0, 9, 2.0)],
)
def test_questions_come_less_often_the_longer_nothing_changes(
    since_change: float, round_seconds: float, seconds: float
) -> None:
    assert eager_polling.pause(since_change, round_seconds) == pytest.approx(seconds)
