"""A process that waits until its worker is dead, then hands back to Temporal what the worker held.

It is started by ``lost_workers`` and sleeps in the kernel. Usage: ``death_watch FILE WORK_DIR``, with the
settings of Temporal on standard input.
"""

import fcntl
import os
import sys


def main(path: str, work_dir: str, settings: str) -> None:
    """Return when the worker is dead and its work is handed back, or when it has ended."""
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return
    fcntl.flock(file, fcntl.LOCK_EX)
    if os.fstat(file).st_nlink:
        _hand_back(file, path, work_dir, settings)


def _hand_back(file: int, path: str, work_dir: str, settings: str) -> None:
    # Imported now: a watcher of a healthy worker needs no more memory than an empty interpreter.
    import asyncio
    from pathlib import Path

    import structlog
    from temporalio.service import RPCError

    from flytetemporal import log
    from flytetemporal.cli.errors import CommandError
    from flytetemporal.cli.wiring import connections, lost_workers
    from flytetemporal.config.temporal import TemporalSettings

    async def handed_back() -> None:
        client = await connections.temporal(TemporalSettings.model_validate_json(settings))
        await lost_workers.hand_back_locked(client, file, Path(path), Path(work_dir))

    log.configure()
    try:
        asyncio.run(handed_back())
    except* (CommandError, RPCError) as e:  # The file stays for the next worker of this machine.
        structlog.get_logger().warning("dead_worker_not_handed_back", path=path, problem=str(e.exceptions[0]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.stdin.read())
    # Like the other commands: finalizing an interpreter in which the Temporal client's threads run can crash.
    sys.stderr.flush()
    os._exit(0)
