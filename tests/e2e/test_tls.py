"""Admin and a worker as an operator starts them, with TLS between them and their clients."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from flytetemporal.cli.dev import ports
from flytetemporal.config.database import DatabaseSettings
from tests.fixtures.certificates import Authority, Issued
from tests.fixtures.waiting import HANG_SECONDS, wait_until

PROGRAMS = Path(__file__).parent / "programs"


@contextlib.contextmanager
def process(command: str, environment: Mapping[str, str], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        started = subprocess.Popen(
            [sys.executable, "-m", "flytetemporal.cli.main", *command.split()],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield
        assert started.poll() is None, log.read_text()
    finally:
        started.terminate()
        started.wait(timeout=HANG_SECONDS)


@pytest.fixture
def client(tmp_path: Path, database: DatabaseSettings, temporal_address: str) -> Iterator[Path]:
    """Return the client configuration of an installation with TLS."""
    authority = Authority(tmp_path, "authority")
    own = authority.issue(Issued(tmp_path / "own.crt", tmp_path / "own.key"), "localhost")
    grpc_port, http_port = ports.free(), ports.free()
    endpoint, url = f"localhost:{grpc_port}", f"https://localhost:{http_port}"
    shared = {
        "FLYTETEMPORAL_STORAGE__ROOT": str(tmp_path / "store"),
        "FLYTETEMPORAL_TEMPORAL__ADDRESS": temporal_address,
        # The server is shared with other tests, which have workers, too.
        "FLYTETEMPORAL_TEMPORAL__CLUSTER": "tls",
    }
    admin = {
        "FLYTETEMPORAL_DATABASE__URL": database.url.get_secret_value(),
        "FLYTETEMPORAL_STORAGE__SIGNING_KEY": "a key for links",
        "FLYTETEMPORAL_ADMIN__GRPC_PORT": str(grpc_port),
        "FLYTETEMPORAL_ADMIN__HTTP_PORT": str(http_port),
        "FLYTETEMPORAL_ADMIN__PUBLIC_URL": url,
        "FLYTETEMPORAL_ADMIN__TLS_CERTIFICATE": str(own.certificate),
        "FLYTETEMPORAL_ADMIN__TLS_KEY": str(own.key),
    }
    worker = {
        "FLYTETEMPORAL_WORKER__ADMIN_ENDPOINT": endpoint,
        "FLYTETEMPORAL_WORKER__ADMIN_URL": url,
        "FLYTETEMPORAL_WORKER__ADMIN_TLS": "true",
        "FLYTETEMPORAL_WORKER__ADMIN_CA": str(authority.path),
        "FLYTETEMPORAL_WORKER__WORK_DIR": str(tmp_path / "work"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    config = tmp_path / "config.yaml"
    settings = {"endpoint": f"dns:///{endpoint}", "insecure": False, "caCertFilePath": str(authority.path)}
    config.write_text(yaml.safe_dump({"admin": settings}))
    with (
        process("admin --migrate", {**shared, **admin}, tmp_path / "admin.log"),
        process("worker", {**shared, **worker}, tmp_path / "worker.log"),
    ):
        wait_until(lambda: ports.is_open(http_port))
        yield config


@pytest.mark.parametrize(
    ("program", "arguments"), [("on_s3", ("wf", "--text", "hello")), ("eager", ("sums", "--a", "1"))]
)
def test_stock_pyflyte_runs_it(client: Path, program: str, arguments: tuple[str, ...]) -> None:
    # It uploads code over the HTTP port; an eager workflow calls admin from its task.
    pyflyte = Path(sys.executable).with_name("pyflyte")

    ran = subprocess.run(
        [pyflyte, "-c", client, "run", "--remote", "--wait", f"{program}.py", *arguments],
        cwd=PROGRAMS,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
