"""The children of the development stack: Postgres, Temporal, admin and one worker, each a process of its own."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flytetemporal.cli.dev import ports, postgres, temporal_server
from flytetemporal.cli.dev.child import ChildSpec
from flytetemporal.cli.dev.home import Home, Secrets

MODULE = "flytetemporal.cli.main"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The ports of one stack, all on the loopback interface."""

    grpc_port: int
    http_port: int
    temporal_port: int
    ui_port: int
    postgres_port: int

    @property
    def http_url(self) -> str:
        """Base of admin's HTTP API."""
        return f"http://localhost:{self.http_port}"

    @property
    def ui_url(self) -> str:
        """Temporal's UI."""
        return f"http://localhost:{self.ui_port}"

    @property
    def temporal_address(self) -> str:
        """Temporal's frontend."""
        return f"{ports.LOOPBACK}:{self.temporal_port}"


@dataclass(frozen=True, slots=True)
class Stack:
    """What is needed to describe every child."""

    home: Home
    endpoints: Endpoints
    secrets: Secrets
    external_database: str = ""
    """The URL of a database that somebody else runs; empty: the embedded one."""
    max_tasks: int = 0
    memory_limits: bool = False

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL of the database in use."""
        return self.external_database or postgres.database_url(
            self.endpoints.postgres_port, self.secrets.postgres_password
        )

    def stages(self, notify_address: str) -> list[list[ChildSpec]]:
        """Return the children in the order of their stop: who uses a server stops before it.

        ``notify_address`` is where they say that they are ready.
        """
        servers = [temporal_server.child(self.home, self.endpoints.temporal_port, self.endpoints.ui_port)]
        if not self.external_database:
            servers.insert(0, postgres.child(self.home, self.endpoints.postgres_port, self.secrets.postgres_password))
        notify = {"NOTIFY_SOCKET": notify_address}
        worker = self._python_child(("worker",), {**self._worker_environment(), **notify})
        admin = self._python_child(("admin", "--migrate", "--control-worker"), {**self._admin_environment(), **notify})
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
            "database_url": self.database_url,
            "store": str(self.home.store),
            "client_config": str(self.home.client_config),
            "logs": str(self.home.logs),
            "processes": dict(pids),
        }

    def _shared_environment(self) -> dict[str, str]:
        return {
            "FLYTETEMPORAL_STORAGE__ROOT": str(self.home.store),
            "FLYTETEMPORAL_TEMPORAL__ADDRESS": self.endpoints.temporal_address,
            "FLYTETEMPORAL_TEMPORAL__NAMESPACE": temporal_server.NAMESPACE,
        }

    def _admin_environment(self) -> dict[str, str]:
        return {
            **self._shared_environment(),
            "FLYTETEMPORAL_DATABASE__URL": self.database_url,
            "FLYTETEMPORAL_STORAGE__SIGNING_KEY": self.secrets.signing_key,
            "FLYTETEMPORAL_TEMPORAL__UI_URL": self.endpoints.ui_url,
            "FLYTETEMPORAL_ADMIN__HOST": ports.LOOPBACK,
            "FLYTETEMPORAL_ADMIN__GRPC_PORT": str(self.endpoints.grpc_port),
            "FLYTETEMPORAL_ADMIN__HTTP_PORT": str(self.endpoints.http_port),
            "FLYTETEMPORAL_ADMIN__PUBLIC_URL": self.endpoints.http_url,
        }

    def _worker_environment(self) -> dict[str, str]:
        # Task commands such as pyflyte-execute lie beside this interpreter, also when nobody activated its environment.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        return {
            **self._shared_environment(),
            "FLYTETEMPORAL_WORKER__ADMIN_ENDPOINT": f"{ports.LOOPBACK}:{self.endpoints.grpc_port}",
            "FLYTETEMPORAL_WORKER__ADMIN_URL": self.endpoints.http_url,
            "FLYTETEMPORAL_WORKER__WORK_DIR": str(self.home.work),
            "FLYTETEMPORAL_WORKER__SECRETS_DIR": str(self.home.task_secrets),
            "FLYTETEMPORAL_WORKER__MAX_TASKS": str(self.max_tasks),
            "FLYTETEMPORAL_WORKER__MEMORY_LIMITS": str(self.memory_limits).lower(),
            "PATH": path,
        }

    def _python_child(self, arguments: tuple[str, ...], environment: Mapping[str, str]) -> ChildSpec:
        return ChildSpec(
            name=arguments[0],
            command=(sys.executable, "-m", MODULE, *arguments),
            log=self.home.logs / f"{arguments[0]}.log",
            environment=environment,
        )
