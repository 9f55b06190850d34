"""Settings of the Temporal server and of the data plane."""

from flytetemporal.config.part import Part


class TemporalSettings(Part):
    """The Temporal server."""

    address: str = "127.0.0.1:7233"
    namespace: str = "default"
    ui_url: str = ""
    """Base of the links to Temporal's UI; empty: there are none."""
    cluster: str = "local"
    """The data plane; names its task queues."""
    in_process_worker: bool = False
    """A worker shares admin's process and client: executions start eagerly on it."""
    versioned: bool = False
    """Executions stay on the build of the workers that started them; see docs/operations.md."""
    build: str = ""
    """Names the build of this process; empty: the versions of the package and of Python."""
