"""Settings of the control plane's API."""

from datetime import timedelta

from pydantic import Field

from flytetemporal.config.part import Part


class AdminSettings(Part):
    """The control plane's API."""

    host: str = "127.0.0.1"
    grpc_port: int = 8089
    http_port: int = 8088
    public_url: str = "http://127.0.0.1:8088"
    """Base of the links that clients follow (uploads, downloads, logs, executions)."""
    max_message_bytes: int = 20 * 1024 * 1024
    """Largest request that is read, over gRPC and over HTTP."""
    body_timeout: timedelta = timedelta(seconds=60)
    """Time in which the body of an HTTP request must arrive."""
    max_concurrent_calls: int = 1000
    """gRPC calls that are served at once; further ones are answered RESOURCE_EXHAUSTED, and clients try again."""
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
    cors_origins: tuple[str, ...] = ()
    """Origins, such as ``https://console.example.com``, whose pages may use the HTTP port with the user's credentials;
    ``*`` lets every page use it without credentials. Pages that this server sends need no entry."""
    allowed_hosts: tuple[str, ...] = ()
    """Names, without ports, that the Host header may have besides localhost, ``host`` and that of ``public_url``; other
    requests are refused, which stops DNS rebinding. ``*`` allows all: for a server behind a proxy that checks."""
    abort_grace: timedelta = timedelta(minutes=2)
    """An abort that no worker is there to carry out is recorded as done after this time without progress."""
    abort_limit: timedelta = timedelta(hours=1)
    """An abort whose clean-up makes no progress for so long is ended by force, workers or not."""
    close_grace: timedelta = timedelta(minutes=1)
    """What still runs so long after its execution has ended is ended by the sweeper."""
