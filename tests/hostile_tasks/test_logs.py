"""What tasks print: their logs stay within the limit on disk, and readers see that they were cut."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from flytetemporal.plugins.local.limited_log import LimitedLog
from tests.fixtures.task_attempts import Bench, template
from tests.fixtures.waiting import bounded

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMIT_BYTES = 100_000
NOTE = b"\n[flytetemporal] the log was cut at 100000 bytes (worker.max_log_bytes)\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    opened = Bench.at(tmp_path_factory.mktemp("logs"), max_log_bytes=LIMIT_BYTES)
    async with opened.registry.opened():
        yield opened


async def printed(bench: Bench, script: str) -> bytes:
    attempt = await bench.attempt(template((sys.executable, "-c", script), outputs=False))
    result = await bounded(bench.run(attempt))
    assert result.HasField("outputs")
    return bench.log_of(attempt).read_bytes()


async def test_a_log_that_is_too_long_ends_with_a_line_that_says_so(bench: Bench) -> None:
    log = await printed(bench, "for _ in range(300): print('x' * 10_000)")

    assert log[LIMIT_BYTES:] == NOTE
    assert log.startswith(b"xxx")


async def test_a_log_within_the_limit_is_left_alone(bench: Bench) -> None:
    assert await printed(bench, f"print('x' * {LIMIT_BYTES - 1})") == b"x" * (LIMIT_BYTES - 1) + b"\n"


async def test_a_log_is_cut_while_its_task_writes(bench: Bench) -> None:
    script = (
        "import os, time\n"
        "print('x' * 1_000_000, flush=True)\n"
        f"while os.fstat(1).st_size > {LIMIT_BYTES + len(NOTE)}: time.sleep(0.01)\n"
        "print('lost', flush=True)"
    )

    assert (await printed(bench, script))[LIMIT_BYTES:] == NOTE


async def test_the_limit_holds_for_a_log_whose_path_the_task_has_replaced(bench: Bench, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    limited = LimitedLog(log, limit_bytes=10)
    with log.open("ab", buffering=0) as writer:
        log.unlink()
        log.mkdir()
        writer.write(b"x" * 1000)
        limited.limit()
        writer.write(b"y" * 1000)
        limited.close()

        assert Path(f"/proc/self/fd/{writer.fileno()}").stat().st_size < 100
        limited.limit()
