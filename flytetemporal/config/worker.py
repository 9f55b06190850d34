"""Settings of a worker."""

from datetime import timedelta
from typing import Literal

from pydantic import ByteSize, Field, SecretStr

from flytetemporal.config.part import Part


class WorkerSettings(Part):
    """The settings of one worker."""

    plugin: Literal["processes", "pods"] = "processes"
    """What runs tasks: processes of the worker, or pods of the cluster that the settings of ``pods`` name. Patterns for
    images make exceptions: container_images, and process_images of ``pods``."""
    admin_endpoint: str = "127.0.0.1:8089"
    """Host and port of admin's gRPC services."""
    catalog_endpoint: str = ""
    """Host and port of the catalog of cached outputs; empty: admin, which serves it too."""
    admin_url: str = "http://127.0.0.1:8088"
    """The base of the log links in task events."""
    admin_tls: bool = False
    """Whether admin and the catalog are reached with TLS, by the worker and by the tasks that it starts."""
    admin_ca: str = ""
    """PEM file with the authorities that may have signed admin's certificate; empty: those that gRPC brings along."""
    admin_client_certificate: str = ""
    """PEM file with the worker's certificate, if admin asks for one. Tasks do not get it."""
    admin_client_key: str = ""
    """PEM file with the private key of the worker's certificate."""
    admin_client_id: str = ""
    """The client as which the worker signs in to admin and the catalog, such as ``flytepropeller``, with
    ``admin_client_secret``; empty: it does not, or has a file. Admin has to give it the role ``engine``
    (FLYTETEMPORAL_AUTH__ENGINES)."""
    admin_client_secret: SecretStr = SecretStr("")
    """The secret of the client."""
    admin_token_url: str = ""
    """Where the client gets its tokens; empty: from admin's own authorization server, below ``admin_url``."""
    admin_token_file: str = ""
    """File with a token with which the worker signs in, in place of a client: such as the projected token of its
    service account in Kubernetes. It is read again when it changes."""
    work_dir: str = "/tmp/flytetemporal/work"  # noqa: S108  the default of a setting
    """The folder for working folders, logs and unpacked bundles of tasks."""
    secrets_dir: str = "/etc/flyte/secrets"
    """The folder of secrets that tasks can request, as files ``<group>/<key>`` in lower case; variables
    ``_FSEC_<GROUP>_<KEY>`` of the worker precede them."""
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
    """Outputs from this size on are stored in their own files and replaced by references; 0: none are. In Flyte this is
    off by default, and 10 MB if it is on."""
    offload_max_bytes: int = Field(default=1000 * 1024 * 1024, gt=0)
    """An output of this size or more fails its node. The default is Flyte's limit."""
    inline_max_bytes: int = Field(default=64 * 1024 * 1024, gt=0)
    """The limit of the values that are inlined for a task that cannot read references, all its inputs together."""
    max_log_bytes: int = Field(default=64 * 1024 * 1024, gt=0)
    """The log of an attempt is cut here, and a last line says so. The worker looks twice a second, so until then a log
    can be longer by what the task has written in between."""
    memory_limits: bool = False
    """Whether memory requests limit task processes, if the operating system can do that."""
    warm_memory: ByteSize = ByteSize(1024**3)
    """Memory for the code of tasks that is kept imported, so that attempts need not import it; 0: none is kept. A task
    with ``FLYTETEMPORAL_WARM=0`` in its environment has its code imported for each attempt."""
    map_batch: int = Field(default=0, ge=0, le=100)
    """Elements of a map task that run one after another in one process, where the execution does not set it; 0 or 1:
    each has its own process. Elements of a batch see what those before them have left in modules."""
    grace: timedelta = timedelta(seconds=5)
    """The time between SIGTERM and SIGKILL of a task process or container."""
    container_engine: str = ""
    """The engine for containers: podman, docker or the path of either; empty: the first of them that answers."""
    container_images: tuple[str, ...] = ()
    """Patterns, such as ``acme/train:*``. A task whose image matches one runs in a container, all others run as
    processes. Raw containers always run in their image."""
    container_options: tuple[str, ...] = ()
    """Additional options of every container, such as ``--network=host``."""
