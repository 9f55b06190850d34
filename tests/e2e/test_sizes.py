"""The shapes of ``make bench`` at a tenth of their size, with bounds on histories, memory and lists."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client

from bench import registration, sizes
from bench.executions import Executions
from bench.sizes import Shape
from scripts import background_stack

VERSION = "bench"  # The flows refer to their own tasks with it.
# A tenth of the events after which an execution continues as new; see docs/decisions/0009.
LONGEST_EVENTS = 1000
LONGEST_BYTES = 1024 * 1024
WORKER_MIB = 500
GROWTH_MIB = 150
ENGINE = "bench.flows.engine_only"
SLEEP = timedelta(seconds=5)

SHAPES = (
    Shape("dynamic with 600 leaves", f"{sizes.SIZES}.fan_out_wf", {"leaves": 600}),
    Shape("chain of 500 leaves", f"{sizes.SIZES}.chained_wf", {"leaves": 500}),
    Shape("4,000 held leaves", f"{sizes.SIZES}.fan_out_wf", {"leaves": 4000, "duration": SLEEP}),
    Shape("map of 100 Python tasks", f"{sizes.SIZES}.mapped", {"count": 100}),
    Shape("map of 10,000 echo elements", f"{sizes.SIZES}.mapped_echo", {"count": 10_000}),
    Shape("map of 10,000 core-sleep elements", f"{sizes.SIZES}.mapped_naps", {"count": 10_000}),
    Shape("recursive dynamic of depth 3", f"{sizes.SIZES}.sort_wf", {"count": 8, "depth": 3}),
    Shape("static workflow of 1,000 nodes", f"{ENGINE}.echo_fan_1000"),
    Shape("chain of 500 nodes", f"{ENGINE}.echo_chain_500"),
)


@pytest.fixture(scope="module")
def flows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A separate stack, whose memory no other test has used, with the flows of the bench registered."""
    folder = tmp_path_factory.mktemp("sizes")
    with (folder / "dev.log").open("wb") as output, background_stack.running(folder / "home", output=output) as state:
        registration.register(state, VERSION, ["bench/flows/engine_only.py", "bench/flows/sizes.py"])
        yield state


@pytest.fixture
async def executions(flows: dict[str, Any]) -> AsyncIterator[Executions]:
    client = Executions(flows["grpc_endpoint"], VERSION)
    yield client
    await client.close()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
async def test_a_tenth_stays_within_a_tenth(flows: dict[str, Any], executions: Executions, shape: Shape) -> None:
    client = await Client.connect(flows["temporal_address"])
    before = await sizes.measure(executions, client, flows["processes"], Shape("warm up", f"{ENGINE}.echo_chain_100"))

    size = await sizes.measure(executions, client, flows["processes"], shape)

    assert size.longest_events <= LONGEST_EVENTS, size
    assert size.longest_bytes <= LONGEST_BYTES, size
    assert size.worker_mib <= min(WORKER_MIB, before.worker_mib + GROWTH_MIB), size
    assert size.admin_mib <= before.admin_mib + GROWTH_MIB, size
    assert size.page_nodes > 0, size
