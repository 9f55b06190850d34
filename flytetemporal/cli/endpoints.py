"""Where admin is: on a state folder of this machine, or in the configuration file of Flyte's clients."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import yaml

from flytetemporal.cli.dev import client_config, state_folder
from flytetemporal.cli.dev.state_folder import StateFolder
from flytetemporal.cli.errors import CommandError

DEFAULT = "localhost:8089"
HTTPS_PORT = 443
CERTIFICATE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Admin's gRPC endpoint. ``ca_certificate`` is a file; empty: the roots that gRPC trusts.

    With ``verify`` false, whatever certificate the server shows is trusted.
    """

    target: str
    secure: bool = False
    ca_certificate: str = ""
    verify: bool = True

    def channel(self, options: list[tuple[str, int]]) -> grpc.Channel:
        """Return a channel that connects at its first call.

        Raises:
            CommandError: the certificate cannot be read.
        """
        channel: grpc.Channel
        if self.secure:
            credentials = grpc.ssl_channel_credentials(root_certificates=self._roots())
            channel = grpc.secure_channel(self.target, credentials, options=options)
        else:
            channel = grpc.insecure_channel(self.target, options=options)
        return channel

    def _roots(self) -> bytes | None:
        import ssl  # A command that needs no certificate does not wait for it.

        try:
            if not self.verify:
                # gRPC cannot skip the check of a certificate, so the server's own is the root, as in flytekit.
                return ssl.get_server_certificate(self._address(), timeout=CERTIFICATE_SECONDS).encode()
            return Path(self.ca_certificate).expanduser().read_bytes() if self.ca_certificate else None
        except (OSError, ValueError) as e:
            what = f"the certificate {self.ca_certificate}" if self.verify else f"the certificate of {self.target}"
            raise CommandError(f"cannot read {what}: {getattr(e, 'strerror', None) or e}") from e

    def _address(self) -> tuple[str, int]:
        host, _, port = self.target.rpartition(":")
        return (host, int(port)) if host and port.isdecimal() else (self.target, HTTPS_PORT)


def find(folder: Path) -> Endpoint:
    """Return the endpoint of the stack running on ``folder``, else the one in the client configuration.

    Raises:
        CommandError: the configuration file cannot be read.
    """
    state = state_folder.read_state(StateFolder(folder))
    if state is not None:
        return Endpoint(str(state["grpc_endpoint"]))
    return _configured(_admin_section())


def configuration_path() -> Path:
    """Return the path of the configuration file that Flyte's clients read."""
    return Path(os.environ.get("FLYTECTL_CONFIG") or client_config.default_path())


def configured() -> Endpoint | None:
    """Return the endpoint that the configuration file of Flyte's clients names; None if there is none.

    Raises:
        CommandError: the configuration file cannot be read.
    """
    admin = _admin_section()
    return _configured(admin) if admin.get("endpoint") else None


def running_stack(folder: Path, *, named: bool) -> tuple[Path, dict[str, Any] | None]:
    """Return a state folder and the state of the stack that runs on it; None if none runs.

    Unless the user has ``named`` the folder, it is that of the stack whose configuration file FLYTECTL_CONFIG names, if
    none runs on ``folder``.
    """
    folder = folder.expanduser().absolute()
    state = state_folder.read_state(StateFolder(folder))
    if state is None and not named and os.environ.get("FLYTECTL_CONFIG"):
        other = configuration_path().expanduser().absolute().parent
        if StateFolder(other).client_config == configuration_path().expanduser().absolute():
            return other, state_folder.read_state(StateFolder(other))
    return folder, state


def _admin_section() -> dict[str, Any]:
    path = configuration_path()
    try:
        content = yaml.safe_load(path.read_text()) if path.exists() else None
    except (OSError, yaml.YAMLError) as e:
        raise CommandError(f"cannot read {path}: {str(e).splitlines()[0]}; pass --endpoint") from e
    admin = content.get("admin") if isinstance(content, dict) else None
    return admin if isinstance(admin, dict) else {}


def _configured(admin: dict[str, Any]) -> Endpoint:
    target = str(admin.get("endpoint") or "").removeprefix("dns:///")
    if not target:
        return Endpoint(DEFAULT)
    return Endpoint(
        target,
        # TLS is the default of Flyte's clients.
        secure=admin.get("insecure") is not True,
        ca_certificate=str(admin.get("caCertFilePath") or ""),
        verify=admin.get("insecureSkipVerify") is not True,
    )
