"""Settings of the control plane's API."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from flytetemporal.config.part import Part


class AdminSettings(Part):
    """The control plane's API."""

    host: str = "127.0.0.1"
    """Address to listen on. The default accepts local clients only."""
    grpc_port: int = 8089
    """Flyte's default, which flytectl and pyflyte expect."""
    http_port: int = 8088
    """Port of the HTTP gateway, the file and log links, health and metrics. Flyte's default."""
    public_url: str = "http://127.0.0.1:8088"
    """Base URL of links in answers (uploads, downloads, logs, executions); clients must be able to reach it."""
    tls_certificate: str = ""
    """PEM file with the certificate of both ports, followed by those that signed it; empty: no TLS. A file that is
    replaced counts for the next connection."""
    tls_key: str = ""
    """PEM file with the private key of the certificate, without a passphrase."""
    tls_client_ca: str = ""
    """PEM file with certificates of authorities. Clients of both ports must then present a certificate that one of them
    signed; empty: they need none."""
    max_message_bytes: int = 20 * 1024 * 1024
    """Largest request that is read, over gRPC and over HTTP."""
    body_timeout: timedelta = timedelta(seconds=60)
    """Time in which the headers of an HTTP request must arrive, then its body, and in which a client must read at least
    a part of an answer."""
    max_concurrent_calls: int = 1000
    """gRPC calls that are served at once; further ones are answered RESOURCE_EXHAUSTED, and clients try again."""
    domains: tuple[str, ...] = ("development", "staging", "production")
    """Domains of every project. Flyte's defaults."""
    projects: tuple[str, ...] = ("flytesnacks", "flytetester", "flyteexamples")
    """Projects that are registered at startup. Those of Flyte's sandbox."""
    max_workflow_nodes: int = 10_000
    """Maximum number of nodes in a static workflow, checked at registration; 0: no limit. Flyte's default is 100."""
    max_workflow_depth: int = Field(default=50, ge=0)
    """Maximum levels of subworkflows and dynamic workflows in an execution; 0: no limit. Each level makes the URIs of
    files longer, and object stores limit keys to 1,024 bytes. Flyte has no limit."""
    max_parallelism: int = 25
    """Task nodes of an execution that run at once, unless the execution, its launch plan or an attribute sets another
    number. Flyte's default."""
    max_execution_duration: timedelta = timedelta(0)
    """Maximum duration of an execution, after which it fails; zero: no limit. Annotations can only lower it."""
    node_deadline_factor: float = Field(default=2, ge=1, le=100)
    """A node may be open for this multiple of its timeout, including the wait for a worker; each retry adds its timeout
    and its pause. Flyte's factor, but Flyte adds nothing for retries."""
    max_waiting_executions: int = Field(default=1000, ge=1)
    """Executions of a launch plan that wait for a place under its concurrency limit, unless the launch plan sets
    another number; further ones are refused. Flyte has no queue."""
    max_active_schedules: int = Field(default=10_000, ge=0)
    """Launch plans with a schedule that are active at once, in the whole installation; 0: any number. Each is a
    workflow in Temporal, and the control worker compares them all once a minute."""
    schedule_time_zone: str = "UTC"
    """Time zone of cron schedules that name none. In Flyte it is that of the scheduler's pod."""
    schedule_catch_up: timedelta = Field(default=timedelta(days=365), ge=timedelta(seconds=10))
    """How late a time of a schedule that was missed, because Temporal did not run, still launches its execution."""
    backfill_runs: int = Field(default=1000, ge=1, le=10_000)
    """Times of a schedule that one backfill launches, unless its request allows more, up to 10,000."""
    history_events: int = 10_000
    """Events in the Temporal history of an execution after which it continues as new. Temporal terminates workflows at
    51,200 events."""
    task_cpu_limit: str = "4"
    """Maximum CPUs of a task, as a Kubernetes quantity; a task that requests more is refused at registration. Matchable
    attributes of a project replace all three limits. There are no defaults for tasks that request nothing."""
    task_memory_limit: str = "8Gi"
    """Maximum memory of a task, enforced like the CPUs."""
    task_gpu_limit: str = "1"
    """Maximum number of GPUs of a task, enforced like the CPUs."""
    max_data_bytes: int = 2 * 1024 * 1024
    """Maximum size of an input or output map that GetExecutionData and similar calls return inline; they
    return an empty map in place of a larger one. Data in events has the same limit. Flyte's default."""
    cors_origins: tuple[str, ...] = ()
    """Origins, such as ``https://console.example.com``, whose pages may use the HTTP port with the user's credentials;
    ``*`` lets every page use it without credentials. Pages that this server sends need no entry."""
    allowed_hosts: tuple[str, ...] = ()
    """Names, without ports, that the Host header may have besides localhost, ``host`` and that of ``public_url``; other
    requests are refused, which stops DNS rebinding. ``*`` allows all: for a server behind a proxy that checks."""
    abort_grace: timedelta = timedelta(minutes=2)
    """An abort is recorded as done after this time without progress if no worker polls the task queue of the engine."""
    abort_limit: timedelta = timedelta(hours=1)
    """An abort is forced after this time without progress, even if workers poll; the cleanup of tasks can be lost."""
    close_grace: timedelta = timedelta(minutes=1)
    """Temporal workflows and children that still run this long after the end of their execution are stopped by the
    sweeper."""

    @field_validator("schedule_time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (OSError, ValueError, KeyError) as e:  # Of names that are no files, folders, or not found.
            raise ValueError(f"time zone [{name}] is unknown; give a name such as Europe/Berlin or UTC") from e
        return name
