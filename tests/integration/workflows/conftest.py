"""Every test's Temporal histories can be kept: they are the corpus that tests/replay replays."""

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.fixtures.engine_runs import EngineRuns

CORPUS = Path(__file__).parents[2] / "replay" / "histories"


@pytest.fixture
async def engine_runs(temporal: Client, request: pytest.FixtureRequest) -> AsyncIterator[EngineRuns]:
    runs = EngineRuns(temporal)
    yield runs
    if request.config.getoption("--record-histories"):
        for number, handle in enumerate(runs.handles):
            name = re.sub(r"\W+", "_", request.node.name).strip("_")
            text = (await handle.fetch_history()).to_json()
            (CORPUS / f"{name}-{number}.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
