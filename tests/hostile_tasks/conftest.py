"""One worker's activities for a module: its fork server is loaded once."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.fixtures.task_attempts import Bench


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    opened = Bench.at(tmp_path_factory.mktemp("hostile"))
    async with opened.registry.opened():
        yield opened
