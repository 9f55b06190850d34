"""Settings of the object store."""

from datetime import timedelta

from pydantic import Field, SecretStr

from flytetemporal.config.part import Part


class StorageSettings(Part):
    """The object store."""

    root: str = "/tmp/flytetemporal/store"  # noqa: S108  the default of a setting
    """Root of all stored files: an absolute path, s3://bucket/prefix or gs://bucket/prefix. A path instead of file://,
    because flytekit cannot read files and directories back from file:// URIs."""
    options: dict[str, str] = Field(default_factory=dict)
    """Options of fsspec's file system, such as keys and endpoint_url."""
    raw_output_prefix: str = ""
    """URI prefix of the raw data of tasks; empty: ``<root>/data``. Launch plans and executions can override it."""
    readable_prefixes: tuple[str, ...] = ()
    """URI prefixes, besides ``root`` and ``raw_output_prefix``, of files that admin reads and signs links for. List the
    prefixes that executions use for raw data. Other URIs in events and requests are refused; otherwise any client could
    read every file that admin can."""
    signing_key: SecretStr = SecretStr("")
    """Key that signs upload and download links if ``root`` is a path. It must be the same on every admin and after
    restarts, because a new key invalidates all links."""
    max_link_age: timedelta = timedelta(hours=1)
    """Maximum lifetime of a signed link. Flyte's default."""
