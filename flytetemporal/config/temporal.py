"""Settings of the connection to Temporal and of the data plane."""

from pydantic import Field, SecretStr

from flytetemporal.config.part import Part


class TemporalSettings(Part):
    """The Temporal server."""

    address: str = "127.0.0.1:7233"
    """Host and port of the Temporal frontend."""
    namespace: str = "default"
    """Temporal namespace of all executions; it must exist."""
    tls: bool = False
    """Whether to connect with TLS. The files and the API key need it."""
    tls_ca: str = ""
    """PEM file with the authorities that may have signed the server's certificate; empty: those of the system."""
    tls_client_certificate: str = ""
    """PEM file with the certificate of this process, for mutual TLS."""
    tls_client_key: str = ""
    """PEM file with the private key of that certificate."""
    api_key: SecretStr = SecretStr("")
    """API key of Temporal Cloud; empty: none."""
    encryption_keys: dict[str, SecretStr] = Field(default_factory=dict)
    """AES keys by their ids, each 16, 24 or 32 bytes in base64, as a JSON object; none: payloads are not encrypted.
    All processes need the same keys. A key can go when no history that it has encrypted is left."""
    encryption_key_id: str = ""
    """Id of the key that encrypts new payloads; the other keys only decrypt."""
    ui_url: str = ""
    """Base URL of the links to Temporal's UI; empty: no links."""
    cluster: str = "local"
    """Name of the data plane. Its task queues are named after it, so admin and workers must agree on it."""
    in_process_worker: bool = False
    """Whether a worker shares admin's process and client. Executions then start eagerly on it."""
    versioned: bool = False
    """Whether executions stay on the build of the worker that started them; see docs/operations.md."""
    build: str = ""
    """Name of this process's build; empty: the versions of the package and of Python."""
