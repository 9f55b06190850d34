"""The processes of the development stack: Postgres, Temporal, admin with the control worker, and one worker."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from flytetemporal.cli.dev import local_users, ports, postgres, temporal_server
from flytetemporal.cli.dev.child_process import ProcessSpec
from flytetemporal.cli.dev.state_folder import Secrets, StateFolder

MODULE = "flytetemporal.cli.main"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The ports of a stack, all on the loopback interface."""

    grpc_port: int
    http_port: int
    temporal_port: int
    ui_port: int
    postgres_port: int

    @property
    def http_url(self) -> str:
        """The base URL of admin's HTTP API."""
        return f"http://localhost:{self.http_port}"

    @property
    def ui_url(self) -> str:
        """The URL of Temporal's UI."""
        return f"http://localhost:{self.ui_port}"

    @property
    def temporal_address(self) -> str:
        """The address of Temporal's frontend."""
        return f"{ports.LOOPBACK}:{self.temporal_port}"


@dataclass(frozen=True, slots=True)
class Stack:
    """The configuration of a stack."""

    folder: StateFolder
    endpoints: Endpoints
    secrets: Secrets
    external_database: str = ""
    """The URL of the user's own database; empty: the embedded Postgres."""
    external_store: str = ""
    """The root of the user's own object store; empty: a folder of the state folder."""
    max_tasks: int = 0
    memory_limits: bool = False
    sign_in: bool = False
    """Whether calls need sign-in, with the users of ``local_users``."""
    config: tuple[str, ...] = ()
    """Configuration files of all Python processes; what the stack decides itself comes from variables, which win."""

    @property
    def store(self) -> str:
        """The root of the object store in use."""
        return self.external_store or str(self.folder.store)

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL of the database in use."""
        return self.external_database or postgres.database_url(
            self.endpoints.postgres_port, self.secrets.postgres_password
        )

    def stages(self, notify_address: str) -> list[list[ProcessSpec]]:
        """Return the processes in the order in which they stop: clients before the servers they use.

        They send their notifications to ``notify_address``.
        """
        servers = [temporal_server.process_spec(self.folder, self.endpoints.temporal_port, self.endpoints.ui_port)]
        if not self.external_database:
            servers.insert(
                0, postgres.process_spec(self.folder, self.endpoints.postgres_port, self.secrets.postgres_password)
            )
        notify = {"NOTIFY_SOCKET": notify_address}
        worker = self._python_process(("worker",), {**self._worker_environment(), **notify}, self._worker_secrets())
        admin = self._python_process(
            ("admin", "--migrate", "--control-worker"), {**self._admin_environment(), **notify}, self._admin_secrets()
        )
        return [[worker], [admin], servers]

    def state(self, pids: Mapping[str, int | None], *, ready: bool) -> dict[str, Any]:
        """Return the content of the state file."""
        return {
            "pid": os.getpid(),
            "ready": ready,
            "grpc_endpoint": f"localhost:{self.endpoints.grpc_port}",
            "http_url": self.endpoints.http_url,
            "temporal_address": self.endpoints.temporal_address,
            "temporal_namespace": temporal_server.NAMESPACE,
            "temporal_ui_url": self.endpoints.ui_url,
            "database_url": _without_password(self.database_url),
            "store": self.store,
            "client_config": str(self.folder.client_config),
            "logs": str(self.folder.logs),
            "processes": dict(pids),
        }

    def _shared_environment(self) -> dict[str, str]:
        return {
            "FLYTETEMPORAL_STORAGE__ROOT": self.store,
            "FLYTETEMPORAL_TEMPORAL__ADDRESS": self.endpoints.temporal_address,
            "FLYTETEMPORAL_TEMPORAL__NAMESPACE": temporal_server.NAMESPACE,
        }

    def _admin_environment(self) -> dict[str, str]:
        return {
            **self._shared_environment(),
            "FLYTETEMPORAL_TEMPORAL__UI_URL": self.endpoints.ui_url,
            "FLYTETEMPORAL_ADMIN__HOST": ports.LOOPBACK,
            "FLYTETEMPORAL_ADMIN__GRPC_PORT": str(self.endpoints.grpc_port),
            "FLYTETEMPORAL_ADMIN__HTTP_PORT": str(self.endpoints.http_port),
            "FLYTETEMPORAL_ADMIN__PUBLIC_URL": self.endpoints.http_url,
            **(local_users.admin_environment(self.folder) if self.sign_in else {}),
        }

    def _admin_secrets(self) -> dict[str, Any]:
        return {
            "database": {"url": self.database_url},
            "storage": {"signing_key": self.secrets.signing_key},
            **(local_users.admin_secrets(self.secrets.worker_secret) if self.sign_in else {}),
        }

    def _worker_secrets(self) -> dict[str, Any]:
        return {"worker": {"admin_client_secret": self.secrets.worker_secret}} if self.sign_in else {}

    def _worker_environment(self) -> dict[str, str]:
        # Task commands such as pyflyte-execute are next to this interpreter, whose environment need not be active.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        return {
            **self._shared_environment(),
            "FLYTETEMPORAL_WORKER__ADMIN_ENDPOINT": f"{ports.LOOPBACK}:{self.endpoints.grpc_port}",
            "FLYTETEMPORAL_WORKER__ADMIN_URL": self.endpoints.http_url,
            "FLYTETEMPORAL_WORKER__WORK_DIR": str(self.folder.work),
            "FLYTETEMPORAL_WORKER__SECRETS_DIR": str(self.folder.task_secrets),
            "FLYTETEMPORAL_WORKER__MAX_TASKS": str(self.max_tasks),
            "FLYTETEMPORAL_WORKER__MEMORY_LIMITS": str(self.memory_limits).lower(),
            **({"FLYTETEMPORAL_WORKER__ADMIN_CLIENT_ID": local_users.WORKER} if self.sign_in else {}),
            "PATH": path,
        }

    def _python_process(
        self, arguments: tuple[str, ...], environment: Mapping[str, str], secrets: Mapping[str, Any] | None = None
    ) -> ProcessSpec:
        return ProcessSpec(
            name=arguments[0],
            command=(sys.executable, "-m", MODULE, *arguments, *(f"--config={file}" for file in self.config)),
            log=self.folder.logs / f"{arguments[0]}.log",
            environment=environment,
            secrets=secrets or {},
        )


def _without_password(url: str) -> str:
    """Return a database URL without its password and parameters."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return urlunsplit((parts.scheme, f"{user.partition(':')[0]}{at}{host}", parts.path, "", ""))
