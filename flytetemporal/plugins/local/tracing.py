"""Take the capability to read the memory of all processes from the tasks of a worker that runs as root (Linux)."""

import ctypes
import sys

_PR_CAPBSET_DROP = 24
_CAP_SYS_PTRACE = 19
_CAPABILITY_VERSION_3 = 0x20080522
# Looked up and made before the fork, which would cost each task half a millisecond.
_LIBC = ctypes.CDLL(None)
_PRCTL, _CAPGET, _CAPSET = (getattr(_LIBC, name, None) for name in ("prctl", "capget", "capset"))
_HEADER = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
# Effective, permitted and inheritable sets, the lower 32 capabilities of each before the upper ones.
_SETS = (ctypes.c_uint32 * 6)()
_DROPPED = ctypes.c_ulong(_CAP_SYS_PTRACE)


def give_up() -> None:
    """Drop CAP_SYS_PTRACE for this process and the programs that it executes; it stays able to trace its own children.

    Without the capability the kernel refuses access to processes that have more capabilities, as admin and the worker
    then do, or that are not dumpable.
    """
    if sys.platform != "linux" or _PRCTL is None or _CAPGET is None or _CAPSET is None:
        return
    mask = 1 << _CAP_SYS_PTRACE
    if _CAPGET(_HEADER, _SETS) != 0 or not _SETS[1] & mask:
        return
    # Programs that root executes get everything that is in the bounding set. This fails without CAP_SETPCAP.
    _PRCTL(_PR_CAPBSET_DROP, _DROPPED, 0, 0, 0)
    for index in range(3):
        _SETS[index] &= ~mask
    _CAPSET(_HEADER, _SETS)
