"""Record the Temporal histories of tests, the corpus that tests/replay replays, if asked to."""

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowHistory

from tests.fixtures.engine_runs import EngineRuns

CORPUS = Path(__file__).parents[2] / "replay" / "histories"


def record(request: pytest.FixtureRequest, suffix: str, history: WorkflowHistory) -> None:
    """Add a history to the corpus, named after its test."""
    name = re.sub(r"\W+", "_", request.node.name).strip("_")
    (CORPUS / f"{name}-{suffix}.json.gz").write_bytes(gzip.compress(history.to_json().encode(), mtime=0))


@pytest.fixture
async def engine_runs(temporal: Client, request: pytest.FixtureRequest) -> AsyncIterator[EngineRuns]:
    runs = EngineRuns(temporal)
    yield runs
    if request.config.getoption("--record-histories"):
        for number, handle in enumerate(runs.handles):
            found = await runs.histories(handle)
            # Three runs differ: the first, one that resumed and continued as new again, and the last.
            for run in sorted({0, min(1, len(found) - 1), len(found) - 1}):
                later = f"-run{run}" if run else ""
                record(request, f"{number}{later}", found[run])
