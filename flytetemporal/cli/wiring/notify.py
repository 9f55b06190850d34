"""How a server process says that it is ready: systemd's notification protocol, so a unit file needs nothing more."""

import asyncio
import os
import socket
from collections.abc import Callable


def tell(status: str, *, ready: bool = False) -> None:
    """Tell whoever started this process how far it is; nothing happens when nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    lines = [f"MAINPID={os.getpid()}", f"STATUS={status}", *(["READY=1"] if ready else [])]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        try:
            sender.sendto("\n".join(lines).encode(), address.replace("@", "\0", 1))
        except OSError:
            return  # The listener is gone; its end is not our business.


class Listener:
    """The receiving end: calls ``heard(pid, status, ready)`` for each message."""

    def __init__(self, heard: Callable[[int, str, bool], None]) -> None:
        self._heard = heard
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # An abstract address has no file: no length limit of the folder's path, nothing left behind.
        self.address = f"@flytetemporal-{os.getpid()}-{os.urandom(4).hex()}"
        self._socket.bind(self.address.replace("@", "\0", 1))
        self._socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._socket, self._receive)

    def close(self) -> None:
        """Stop listening."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _receive(self) -> None:
        message = self._socket.recv(4096).decode(errors="replace")
        fields = dict(line.split("=", 1) for line in message.splitlines() if "=" in line)
        pid = fields.get("MAINPID", "")
        if pid.isdigit():
            self._heard(int(pid), fields.get("STATUS", ""), fields.get("READY") == "1")
