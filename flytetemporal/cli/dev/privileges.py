"""What a child does between fork and exec: die with its parent, and leave root behind where it must.

Only calls that were resolved before the fork happen here, since the child may hold no lock of the parent's threads.
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
    """Return what the child runs before exec. The kernel sends ``death_signal`` when the parent dies, even by SIGKILL.

    ``unprivileged`` has no effect unless this process is root.
    """
    parent = os.getpid()
    account = unprivileged_account() if unprivileged else None

    def prepare() -> None:
        if account is not None:
            _leave_root(account)
        if sys.platform == "linux":
            # After the change of user, which clears the death signal.
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

    return prepare


def unprivileged_account() -> int | None:
    """Return the user and group id that stands in for root where a program refuses root; None when we are not root."""
    return _UNPRIVILEGED_ACCOUNT if os.geteuid() == 0 else None


def _leave_root(account: int) -> None:
    """Change the user but still reach files below folders that only root may enter.

    Otherwise a state folder or an installation below root's home needs wider permissions on that home.
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
    # A container without this capability refuses; then the permissions of the folders decide.
    if _LIBC.capset(header, sets) == 0:
        _LIBC.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)
