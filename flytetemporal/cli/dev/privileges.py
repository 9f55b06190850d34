"""The code that a child process runs between fork and exec: set its death signal, give up root if necessary.

The functions it calls are looked up before the fork: a thread of the parent could hold the loader's lock, which the
child would then never get.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE = 1
_UNPRIVILEGED_ACCOUNT = 65534


def before_exec(death_signal: signal.Signals, *, unprivileged: bool) -> Callable[[], None]:
    """Return the function that a child runs before exec.

    The kernel sends the child ``death_signal`` when the thread that forks it ends, even by SIGKILL: fork from a thread
    that lives as long as the process. ``unprivileged`` has no effect unless this process is root.
    """
    parent = os.getpid()
    account = unprivileged_account() if unprivileged else None

    def prepare() -> None:
        if account is not None:
            _leave_root(account)
        if sys.platform == "linux":
            # After the change of user, which clears the death signal.
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
            # A parent that died before the call above sends no signal any more.
            if os.getppid() != parent:
                os._exit(1)

    return prepare


def unprivileged_account() -> int | None:
    """Return the user and group id to use instead of root; None if this process is not root."""
    return _UNPRIVILEGED_ACCOUNT if os.geteuid() == 0 else None


def _leave_root(account: int) -> None:
    """Change the user, but keep the right to reach files below folders that only root may enter.

    Without it, a state folder or an installation below root's home directory would need wider permissions there.
    """
    os.setgroups([])
    if sys.platform != "linux":
        os.setgid(account)
        os.setuid(account)
        return
    _LIBC.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setresgid(account, account, account)
    os.setresuid(account, account, account)
    mask = 1 << _CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    # This fails in a container without the capability; then the permissions of the folders decide.
    if _LIBC.capset(header, sets) == 0:
        _LIBC.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)
