"""A real S3 server, SeaweedFS, that can be stopped, resumed, killed and started again."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec

from flytetemporal.cli.dev import ports, privileges

BUCKET = "flyte"
# A crowded machine is slow to start servers.
START_SECONDS = 240.0
SECRET = "secret"
# What each access key may do.
ACTIONS = {"OWNER": ["Admin", "Read", "Write", "List", "Tagging"], "READER": ["Read", "List"]}
# A key that is allowed while all others are denied access.
_OTHER = "OTHER"
SERVERS = ("master", "volume", "filer", "s3")
# A death signal is sent when the thread that forked ends, not the process: servers are started by one thread that lives
# as long as the process does, so that a short-lived thread can start one, too.
_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="s3-server-starter")


class S3Server:
    """One server with one bucket; its data survives ``kill`` and ``start``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = {name: ports.free() for server in SERVERS for name in (f"{server}.port", f"{server}.port.grpc")}
        self._process: subprocess.Popen[bytes] | None = None
        self._config = folder / "s3.json"
        self._allow(ACTIONS)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._ports['s3.port']}"

    @property
    def root(self) -> str:
        return f"s3://{BUCKET}/store"

    def options(self, key: str = "OWNER") -> dict[str, Any]:
        """Return options of fsspec for one of the access keys, or for one that the server does not know."""
        return {
            "key": key,
            "secret": SECRET,
            "endpoint_url": self.url,
            "client_kwargs": {"region_name": "us-east-1"},
            "config_kwargs": {"connect_timeout": 1, "read_timeout": 2, "retries": {"max_attempts": 0}},
        }

    def filesystem(self, key: str = "OWNER") -> Any:
        """Return a filesystem of fsspec that is not shared with other callers."""
        return fsspec.filesystem("s3", skip_instance_cache=True, **self.options(key))

    def settings(self) -> dict[str, str]:
        """Return the options as ``FLYTETEMPORAL_STORAGE__OPTIONS`` takes them, for an installation."""
        return {"key": "OWNER", "secret": SECRET, "endpoint_url": self.url}

    def start(self) -> None:
        """Start it, and return when it stores objects."""
        self._run("OWNER")

    def _allow(self, actions: Mapping[str, Sequence[str]]) -> None:
        identities = [
            {"name": key.lower(), "credentials": [{"accessKey": key, "secretKey": SECRET}], "actions": allowed}
            for key, allowed in actions.items()
        ]
        self._config.write_text(json.dumps({"identities": identities}))

    def _run(self, key: str) -> None:
        self._process = _STARTER.submit(self._spawn).result()
        self._wait_until_ready(key)

    def _spawn(self) -> subprocess.Popen[bytes]:
        weed = Path(sys.executable).with_name("weed")
        own = [f"-{name}={port}" for name, port in self._ports.items()]
        with (self._folder / "weed.log").open("ab") as log:
            return subprocess.Popen(
                [
                    *(str(weed), "server", f"-dir={self._folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *own),
                    *(
                        "-s3",
                        f"-s3.config={self._config}",
                        "-s3.port.iceberg=0",
                        "-s3.port.lance=0",
                        "-master.telemetry=false",
                        # It is the only one. By default it waits 10 s for others before it serves again.
                        "-master.electionTimeout=1s",
                    ),
                    *("-volume.max=20", "-master.volumeSizeLimitMB=64"),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # It must not outlive a suite that is killed.
                preexec_fn=privileges.before_exec(signal.SIGKILL, unprivileged=False),
            )

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Let it accept connections and answer nothing while the context is open."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    @contextmanager
    def gone(self) -> Iterator[None]:
        """Kill it, and start it again when the context is left."""
        self.kill()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def denying(self) -> Iterator[None]:
        """Let it deny access to all keys of ``ACTIONS`` while the context is open."""
        self.kill()
        self._allow({_OTHER: ["Admin"]})
        self._run(_OTHER)
        try:
            yield
        finally:
            self.kill()
            self._allow(ACTIONS)
            self.start()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _signal(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def _wait_until_ready(self, key: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            assert self._process is not None
            assert self._process.poll() is None, (self._folder / "weed.log").read_text()[-2000:]
            try:
                filesystem = self.filesystem(key)
                if not filesystem.exists(BUCKET):
                    filesystem.mkdir(BUCKET)
                filesystem.pipe_file(f"s3://{BUCKET}/ready", b"ready")
            except Exception:
                assert time.monotonic() < deadline, (self._folder / "weed.log").read_text()[-2000:]
                time.sleep(0.1)
            else:
                return


@contextmanager
def running(folder: Path) -> Iterator[S3Server]:
    """Run a server that keeps its data in ``folder``."""
    server = S3Server(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
