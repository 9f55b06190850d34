"""Take the capability to read the memory of all processes from the tasks of a worker that runs as root (Linux)."""

import ctypes
import sys

_PR_CAPBSET_DROP = 24
_CAP_SYS_PTRACE = 19
_CAPABILITY_VERSION_3 = 0x20080522


def give_up() -> None:
    """Drop CAP_SYS_PTRACE for this process and the programs that it executes; it stays able to trace its own children.

    Without the capability the kernel refuses access to processes that have more capabilities, as admin and the worker
    then do, or that are not dumpable.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    # Effective, permitted and inheritable sets, the lower 32 capabilities of each before the upper ones.
    sets = (ctypes.c_uint32 * 6)()
    mask = 1 << _CAP_SYS_PTRACE
    if libc.capget(header, sets) != 0 or not sets[1] & mask:
        return
    # Programs that root executes get everything that is in the bounding set. This fails without CAP_SETPCAP.
    libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(_CAP_SYS_PTRACE), 0, 0, 0)
    for index in range(3):
        sets[index] &= ~mask
    libc.capset(header, sets)
