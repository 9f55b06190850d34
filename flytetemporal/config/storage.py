"""Settings of the object store."""

from datetime import timedelta

from pydantic import Field, SecretStr

from flytetemporal.config.part import Part


class StorageSettings(Part):
    """The object store."""

    root: str = "/tmp/flytetemporal/store"  # noqa: S108  the default of a setting
    """Where everything lies: an absolute path, s3://bucket/prefix or gs://bucket/prefix. A path and not file://, since
    flytekit cannot read files and directories back from file:// addresses."""
    options: dict[str, str] = Field(default_factory=dict)
    """Passed to fsspec's file system (keys, endpoint_url ...)."""
    raw_output_prefix: str = ""
    """Where tasks put raw data; empty: ``<root>/data``."""
    readable_prefixes: tuple[str, ...] = ()
    """Addresses besides ``root`` and ``raw_output_prefix`` below which admin reads and signs what events and requests
    name: where executions may put raw data. Other addresses are refused, or any client could read what admin can."""
    signing_key: SecretStr = SecretStr("")
    """Signs upload and download links of the file store; must be stable over restarts and the same on every admin."""
    max_link_age: timedelta = timedelta(hours=1)
    """Longest life of a signed link. Flyte's default."""
