import asyncio
import itertools
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from flytetemporal.plugins.local.outcome import Exit
from flytetemporal.plugins.process.client import ForkServerClient
from flytetemporal.plugins.process.messages import Launch
from flytetemporal.plugins.process.running import Process
from tests.fixtures.waiting import eventually

_folders = itertools.count()


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "gone"


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@asynccontextmanager
async def opened(folder: Path, environment: dict[str, str] | None = None) -> AsyncIterator[ForkServerClient]:
    client = ForkServerClient(folder / "work", environment or dict(os.environ))
    try:
        yield client
    finally:
        await client.close()


async def launch(client: ForkServerClient, folder: Path, *command: str, **environment: str) -> Process:
    directory = folder / f"run{next(_folders)}" / "root"
    directory.mkdir(parents=True)
    return await client.launch(
        Launch(
            id=0,
            tag=str(directory),
            command=command,
            environment={**os.environ, **environment},
            directory=str(directory),
            log=str(directory.with_name("log")),
            bundles="",
            memory_bytes=0,
        )
    )


async def server_of(process: Process) -> int:
    return int(Path(f"/proc/{await process.pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


async def test_a_killed_server_takes_its_tasks_along_and_is_replaced(tmp_path: Path) -> None:
    async with opened(tmp_path) as client:
        marker = tmp_path / "grandchild"
        running = await launch(client, tmp_path, "sh", "-c", f"sleep 300 & echo $! > {marker}; wait")
        await eventually(lambda: marker.exists() and bool(marker.read_text()))
        server = await server_of(running)

        os.kill(server, signal.SIGKILL)
        lost = await running.wait()
        following = await (await launch(client, tmp_path, "true")).wait()

        assert lost == Exit(None, signal=signal.SIGKILL, lost=True)
        assert following == Exit(0)
        await eventually(lambda: state(int(marker.read_text())) in ("gone", "Z"))
        assert state(server) == "gone"


async def test_closing_kills_what_runs_and_leaves_no_folder(tmp_path: Path) -> None:
    async with opened(tmp_path) as client:
        running = await launch(client, tmp_path, "sleep", "300")
        server = await server_of(running)

    assert state(await running.pid) == "gone"
    assert state(server) == "gone"
    assert not list((tmp_path / "work").glob("server-*"))


async def test_a_worker_that_is_killed_takes_everything_along(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import asyncio, os, sys
        from pathlib import Path
        from flytetemporal.plugins.process.client import ForkServerClient
        from flytetemporal.plugins.process.messages import Launch
        async def main(folder):
            client = ForkServerClient(folder, dict(os.environ))
            script = "sleep 300 & echo $$ $! $PPID > pids; wait"
            launch = Launch(0, "t", ("sh", "-c", script), dict(os.environ), str(folder), str(folder / "log"), "", 0)
            await (await client.launch(launch)).wait()
        asyncio.run(main(Path(sys.argv[1])))
    """)
    worker = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)])  # noqa: ASYNC220  forks at once
    try:
        await eventually(lambda: (tmp_path / "pids").exists() and bool((tmp_path / "pids").read_text()))
    finally:
        worker.kill()
        worker.wait()

    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    await eventually(lambda: all(state(pid) in ("gone", "Z") for pid in pids))


async def test_a_package_that_changes_on_disk_is_loaded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A distribution with an entry point for flytekit: the server itself loads it, as it does with plugins.
    site = tmp_path / "site"
    info = site / "sample_plugin-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sample-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[flytekit.plugins]\nsample = sample_plugin\n")
    module = site / "sample_plugin.py"
    module.write_text("VALUE = 'old'\n")
    show = ("pyflyte-execute", "--help")
    (site / "sitecustomize.py").write_text("")
    async with opened(tmp_path, {**os.environ, "PYTHONPATH": str(site)}) as client:
        first = await launch(client, tmp_path, "sleep", "300")
        same = await launch(client, tmp_path, "sleep", "300")

        module.write_text("VALUE = 'a newer one'\n")
        await asyncio.sleep(1.1)  # The files are looked at once a second.
        after = await launch(client, tmp_path, "sleep", "300")

        servers = [await server_of(process) for process in (first, same, after)]
        assert servers[0] == servers[1] != servers[2]
        assert state(await first.pid) == "S"  # A running process stays with its old server.
        for process in (first, same):
            await process.stop(timedelta(seconds=1))
        await eventually(lambda: state(servers[0]) == "gone")
        assert await (await launch(client, tmp_path, *show, PYTHONPATH=str(site))).wait() == Exit(0)


async def test_a_module_that_no_server_has_loaded_changes_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as client:
        first = await launch(client, tmp_path, "sleep", "300")

        (tmp_path / "unrelated.py").write_text("x = 1")
        await asyncio.sleep(1.1)
        second = await launch(client, tmp_path, "sleep", "300")

        assert await server_of(first) == await server_of(second)


async def test_the_server_stays_single_threaded_and_buries_its_dead(tmp_path: Path) -> None:
    async with opened(tmp_path) as client:
        keeper = await launch(client, tmp_path, "sleep", "300")
        server = await server_of(keeper)
        descriptors = len(os.listdir(f"/proc/{server}/fd"))

        for _ in range(3):
            processes = [await launch(client, tmp_path, "pyflyte-execute", "--help") for _ in range(4)]
            assert [await process.wait() for process in processes] == [Exit(0)] * 4
        orphan = "(setsid sh -c 'sleep 0.2' &) ; exit 0"
        assert await (await launch(client, tmp_path, "sh", "-c", orphan)).wait() == Exit(0)

        await eventually(lambda: children(server) == [keeper.pid.result()])
        assert len(os.listdir(f"/proc/{server}/task")) == 1
        assert len(os.listdir(f"/proc/{server}/fd")) == descriptors


async def test_stopping_is_polite_first(tmp_path: Path) -> None:
    async with opened(tmp_path) as client:
        marker = tmp_path / "said"
        script = f"trap 'echo bye > {marker}; exit 7' TERM; echo up > {tmp_path}/up; while true; do sleep 0.05; done"
        process = await launch(client, tmp_path, "bash", "-c", script)
        await eventually(lambda: (tmp_path / "up").exists())

        ended = await process.stop(timedelta(seconds=10))

        assert ended == Exit(7)
        assert marker.read_text() == "bye\n"


async def test_many_at_once_each_get_their_own_end(tmp_path: Path) -> None:
    async with opened(tmp_path) as client:
        processes = await asyncio.gather(*(launch(client, tmp_path, "sh", "-c", f"exit {code}") for code in range(40)))

        assert [(await process.wait()).code for process in processes] == list(range(40))


async def test_a_server_that_cannot_rehearse_a_task_runs_tasks_anyway(tmp_path: Path) -> None:
    # flytekit resolves this name when it sets up a task.
    async with opened(tmp_path, {**os.environ, "FLYTE_SECRETS_HOST": "no..host"}) as client:
        running = await launch(client, tmp_path, "sleep", "300")
        task = await launch(client, tmp_path, "pyflyte-execute", "--help")

        assert "--unrehearsed" in Path(f"/proc/{await server_of(running)}/cmdline").read_text()
        assert await task.wait() == Exit(0)
