"""Status and readiness of a server process, in systemd's notification protocol (``man sd_notify``).

A unit file with ``Type=notify`` works as it is, and ``flytetemporal dev`` receives the same datagrams.
"""

import asyncio
import os
import socket
from collections.abc import Callable


def notify(status: str, *, ready: bool = False) -> None:
    """Send the status of this process to ``NOTIFY_SOCKET``; do nothing if that is not set."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    lines = [f"MAINPID={os.getpid()}", f"STATUS={status}", *(["READY=1"] if ready else [])]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        try:
            sender.sendto("\n".join(lines).encode(), address.replace("@", "\0", 1))
        except OSError:
            # A server keeps serving when its supervisor is gone.
            return


class NotificationSocket:
    """The receiving end: calls ``receive(pid, status, ready)`` for each datagram. Needs a running event loop."""

    def __init__(self, receive: Callable[[int, str, bool], None]) -> None:
        self._receive = receive
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # An abstract address has no file: no limit on the length of the folder's path, and nothing to remove.
        self.address = f"@flytetemporal-{os.getpid()}-{os.urandom(4).hex()}"
        self._socket.bind(self.address.replace("@", "\0", 1))
        self._socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def close(self) -> None:
        """Stop receiving."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _read(self) -> None:
        message = self._socket.recv(4096).decode(errors="replace")
        fields = dict(line.split("=", 1) for line in message.splitlines() if "=" in line)
        pid = fields.get("MAINPID", "")
        if pid.isdigit():
            self._receive(int(pid), fields.get("STATUS", ""), fields.get("READY") == "1")
