"""The limit: a process that has imported the task's module forks a child per task and runs nothing else.

``python -m bench.fork_loop MODULE COUNT CHILDREN`` runs COUNT tasks, at most CHILDREN at once, and prints the
seconds and the CPU seconds as JSON.
"""

import asyncio
import importlib
import json
import os
import resource
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Loop:
    """The cost of all tasks, in seconds."""

    seconds: float
    cpu_seconds: float


async def measure(module: str, count: int, children: int) -> Loop:
    """Run the loop in a process of its own."""
    arguments = [module, str(count), str(children)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.fork_loop", *arguments, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return Loop(**json.loads(output))


def loop(module: str, count: int, children: int) -> Loop:
    """Fork and wait ``count`` times."""
    function = importlib.import_module(module).add.task_function
    before, started = _cpu(), time.perf_counter()
    running = 0
    for number in range(count):
        if running == children:
            os.wait()
            running -= 1
        if os.fork() == 0:
            function(number, 1)
            os._exit(0)
        running += 1
    while running:
        os.wait()
        running -= 1
    return Loop(time.perf_counter() - started, _cpu() - before)


def _cpu() -> float:
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)


if __name__ == "__main__":
    found = loop(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    print(json.dumps({"seconds": found.seconds, "cpu_seconds": found.cpu_seconds}))
