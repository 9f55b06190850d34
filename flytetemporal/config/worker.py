"""Settings of a worker."""

from datetime import timedelta

from pydantic import Field

from flytetemporal.config.part import Part


class WorkerSettings(Part):
    """One worker of one data plane."""

    admin_endpoint: str = "127.0.0.1:8089"
    """Host and port of admin's gRPC services."""
    admin_url: str = "http://127.0.0.1:8088"
    """Base of the log links that the worker puts into task events."""
    work_dir: str = "/tmp/flytetemporal/work"  # noqa: S108  the default of a setting
    """Working folders, logs and unpacked bundles of process tasks."""
    secrets_dir: str = "/etc/flyte/secrets"
    """Secrets that tasks may ask for, as files ``<group>/<key>`` in lower case; variables ``_FSEC_<GROUP>_<KEY>`` of
    the worker come before them."""
    max_tasks: int = 0
    """Task processes that run at once; 0: twice the number of CPUs, since tasks also wait."""
    max_containers: int = Field(default=0, ge=0)
    """Containers that run at once, besides the processes; 0: twice the number of CPUs."""
    max_watched: int = Field(default=5000, ge=1)
    """Attempts that the worker watches at once while something else runs them: those in containers, or waiting for
    one. Each costs the worker memory and heartbeats, but no process."""
    max_eager_tasks: int = 100
    """Eager tasks that run at once, besides the others. They wait for what they have launched: with one bound for both,
    the waiting ones could occupy every slot that the others need."""
    offload_min_bytes: int = Field(default=64 * 1024, ge=0)
    """Outputs from this size on lie in files of their own, and a reference stands in their place; 0: none do. Flyte's
    engine has this off, and 10 MB when it is on."""
    offload_max_bytes: int = Field(default=1000 * 1024 * 1024, gt=0)
    """An output of this size or more fails its node. Flyte's limit."""
    inline_max_bytes: int = Field(default=64 * 1024 * 1024, gt=0)
    """As much is read back, all inputs together, for a task that cannot read references."""
    memory_limits: bool = False
    """Memory requests become limits of task processes, where the OS can."""
    grace: timedelta = timedelta(seconds=5)
    """From SIGTERM to SIGKILL of a task process."""
    container_engine: str = ""
    """Runs task containers: podman, docker or the path of either; empty: the first of them that answers."""
    container_images: tuple[str, ...] = ()
    """Patterns, such as ``acme/train:*``, of images in which tasks run; those of other images run as processes.
    Raw containers always run in theirs."""
    container_options: tuple[str, ...] = ()
    """Further options of every container that is created, such as ``--network=host``."""
