"""Tasks that end in each way in which a process can end."""

import ctypes
import os
import signal
import time

from flytekit import task, workflow


@task
def die(how: str) -> int:
    if how == "segfault":
        ctypes.string_at(0)
    if how == "exit":
        os._exit(3)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "raise":
        raise ValueError("raised on purpose")
    time.sleep(600)
    return 0


@workflow
def dying(how: str) -> int:
    return die(how=how)
