"""Settings of the catalog."""

from datetime import timedelta

from pydantic import Field

from flytetemporal.config.part import Part


class CatalogSettings(Part):
    """The catalog of cached outputs."""

    grpc_port: int = 8081
    """Port of ``flytetemporal catalog``, Flyte's default. Admin serves the catalog on its own ports, too."""
    http_port: int = 8080
    """Port of health and metrics of ``flytetemporal catalog``. Flyte's default."""
    max_reservation_heartbeat: timedelta = Field(default=timedelta(seconds=10), gt=timedelta(0))
    """Longest interval in which the holder of a reservation has to extend it; longer ones are shortened. Flyte's
    default."""
    heartbeat_grace_factor: float = Field(default=3, ge=1)
    """A reservation expires this multiple of its heartbeat interval after the last heartbeat. Flyte's default."""
