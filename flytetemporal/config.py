"""Settings: one frozen class per process part, under one ``Settings``.

``FLYTETEMPORAL_<PART>__<FIELD>`` environment variables set fields; the commands set the rest. A mistyped field is an
error. Settings are built in ``cli`` and handed down by part; no module reads them by itself.
"""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DatabaseSettings(_Part):
    """Postgres."""

    url: SecretStr = SecretStr("postgresql+psycopg://postgres@127.0.0.1:5432/flytetemporal")
    """SQLAlchemy URL with the psycopg driver."""
    pool_size: int = 10


class StorageSettings(_Part):
    """The object store."""

    root: str = "/tmp/flytetemporal/store"  # noqa: S108  the default of a setting
    """Where everything lies: an absolute path, s3://bucket/prefix or gs://bucket/prefix. A path and not file://, since
    flytekit cannot read files and directories back from file:// addresses."""
    options: dict[str, str] = Field(default_factory=dict)
    """Passed to fsspec's file system (keys, endpoint_url ...)."""
    raw_output_prefix: str = ""
    """Where tasks put raw data; empty: ``<root>/data``."""
    signing_key: SecretStr = SecretStr("")
    """Signs upload and download links of the file store; must be stable over restarts and the same on every admin."""
    max_link_age: timedelta = timedelta(hours=1)
    """Longest life of a signed link. Flyte's default."""


class TemporalSettings(_Part):
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


class AdminSettings(_Part):
    """The control plane's API."""

    host: str = "127.0.0.1"
    grpc_port: int = 8089
    http_port: int = 8088
    public_url: str = "http://127.0.0.1:8088"
    """Base of the links that clients follow (uploads, downloads, logs, executions)."""
    max_message_bytes: int = 20 * 1024 * 1024
    domains: tuple[str, ...] = ("development", "staging", "production")
    projects: tuple[str, ...] = ("flytesnacks", "flytetester", "flyteexamples")
    """Registered at start, as Flyte's sandbox does."""
    max_workflow_nodes: int = 10_000
    """Nodes in one static workflow; 0 means no limit. Flyte's default is 100."""
    max_workflow_depth: int = Field(default=50, ge=0)
    """Levels of subworkflows and dynamic workflows below an execution; 0 means no limit. Each level makes the addresses
    of files longer, and stores take 1,024 bytes. Flyte has no limit."""
    max_parallelism: int = 25
    """Task nodes of one execution that run at once, when nobody says otherwise. Flyte's default."""
    max_execution_duration: timedelta = timedelta(0)
    """Longest life of any execution; zero means no limit. Annotations may ask for less."""
    history_events: int = 10_000
    """Events in its Temporal history after which an execution continues as new. Temporal's own limit is 51,200."""
    task_cpu_default: str = "2"
    task_memory_default: str = "200Mi"
    task_cpu_limit: str = "4"
    task_memory_limit: str = "8Gi"
    task_gpu_limit: str = "1"
    max_data_bytes: int = 2 * 1024 * 1024
    """Largest input or output map that GetExecutionData and its kin return inline. Flyte's default."""
    cors_origins: tuple[str, ...] = ("*",)
    abort_grace: timedelta = timedelta(minutes=2)
    """An abort that no worker is there to carry out is recorded as done after this time without progress."""
    abort_limit: timedelta = timedelta(hours=1)
    """An abort whose clean-up makes no progress for so long is ended by force, workers or not."""
    close_grace: timedelta = timedelta(minutes=1)
    """What still runs so long after its execution has ended is ended by the sweeper."""


class WorkerSettings(_Part):
    """One worker of one data plane."""

    admin_endpoint: str = "127.0.0.1:8089"
    admin_url: str = "http://127.0.0.1:8088"
    """Base of the log links that the worker puts into task events."""
    work_dir: str = "/tmp/flytetemporal/work"  # noqa: S108  the default of a setting
    """Working folders, logs and unpacked bundles of process tasks."""
    secrets_dir: str = "/etc/flyte/secrets"
    """Secrets that tasks may ask for, as files ``<group>/<key>`` in lower case; variables ``_FSEC_<GROUP>_<KEY>`` of
    the worker come before them."""
    max_tasks: int = 0
    """Tasks running at once; 0: twice the number of CPUs, since tasks also wait."""
    max_eager_tasks: int = 100
    """Eager tasks running at once, beside the others. They wait for what they have launched: with one bound for both,
    those that wait could take the places of all that they wait for."""
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


class Settings(BaseSettings):
    """All parts."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="FLYTETEMPORAL_", env_nested_delimiter="__"
    )
    database: DatabaseSettings = DatabaseSettings()
    storage: StorageSettings = StorageSettings()
    temporal: TemporalSettings = TemporalSettings()
    admin: AdminSettings = AdminSettings()
    worker: WorkerSettings = WorkerSettings()
