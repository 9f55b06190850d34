"""Which runs the fault suite calls slow, and which stuck."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping

import pytest
from flyteidl.core import literals_pb2

from faults.executions import Executions, Run, chosen, with_followers
from faults.kinds import AGAIN, KINDS, integer
from tests.fixtures.waiting import bounded


class Played(Executions):
    """Executions that end when the test says so; there is no stack."""

    def __init__(self) -> None:
        super().__init__(
            {"grpc_endpoint": "127.0.0.1:1", "database_url": "postgresql+psycopg://127.0.0.1:1/none"}, "", ""
        )
        self.ends: dict[str, asyncio.Event] = {}
        self.killing = True
        self.began: list[str] = []
        self.outputs: dict[str, literals_pb2.LiteralMap] = {}

    async def stop_killing(self) -> None:
        self.killing = False
        self.ends["needs peace"].set()

    async def _watch(self, ended: Mapping[str, asyncio.Event]) -> None:
        await asyncio.Event().wait()

    async def _whole(self, run: Run, ended: asyncio.Event) -> None:
        self.began.append(run.name)
        await self.ends[run.name].wait()

    async def _outputs(self, name: str) -> literals_pb2.LiteralMap:
        return self.outputs.get(name, literals_pb2.LiteralMap())

    async def _explained(self, name: str) -> str:
        return f"{name} waits" if self.killing else ""


@pytest.fixture
async def played() -> AsyncIterator[Played]:
    executions = Played()
    yield executions
    await executions.close()


async def all_run(executions: Played, names: list[str], *, settle: float, launch: float = 0.0) -> list[Run]:
    runs = [Run(name, KINDS[0]) for name in names]
    executions.ends = {name: asyncio.Event() for name in [*names, "needs peace"]}
    if "quick" in names:
        executions.ends["quick"].set()
    stuck = await bounded(executions.run_all(runs, 2, settle, launch, executions.stop_killing))
    assert stuck == [run.name for run in runs if run.waits]
    return runs


async def test_a_run_that_ends_once_kills_stop_is_slow_and_not_stuck(played: Played) -> None:
    quick, slow = await all_run(played, ["quick", "needs peace"], settle=0.1)

    assert (quick.waited, quick.waits) == ("", "")
    assert (slow.waited, slow.waits) == ("needs peace waits", "")


async def test_a_run_that_does_not_end_without_kills_is_stuck(played: Played) -> None:
    _, stuck = await all_run(played, ["quick", "never"], settle=0.1)

    assert (stuck.waited, stuck.waits) == ("never waits", "no explanation")


async def test_a_run_that_is_never_launched_is_neither(played: Played) -> None:
    [run] = await all_run(played, ["never"], settle=10_000, launch=-1)

    assert not run.launched
    assert (run.waited, run.waits) == ("", "")


@pytest.mark.parametrize("values", [(1, 1), (1, 2)], ids=["the same outputs", "other outputs"])
async def test_a_run_is_forked_after_its_end_and_the_outputs_are_compared(
    played: Played, values: tuple[int, int]
) -> None:
    [run] = chosen([kind for kind in AGAIN if kind.workflow == "chain"], 1, random.Random(1), "f")
    assert run.follower is not None
    names = [run.name, run.follower.name]
    played.ends = {name: asyncio.Event() for name in [*names, "needs peace"]}
    for name, value in zip(names, values, strict=True):
        played.ends[name].set()
        played.outputs[name] = literals_pb2.LiteralMap(literals={"o0": integer(value)})

    await bounded(played.run_all([run], 2, 10_000, 0, played.stop_killing))

    assert played.began == names
    assert [each.launched for each in with_followers([run])] == [True, True]
    assert run.follower.trouble == ("" if values == (1, 1) else f"its outputs are not those of {run.name}")
