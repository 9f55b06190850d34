"""What every resource module of admin is given; built once, in ``cli``."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from flytetemporal.admin.base.engine import Engine
from flytetemporal.config.admin import AdminSettings
from flytetemporal.config.storage import StorageSettings
from flytetemporal.storage.blobs import BlobStore


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Handlers are ``async def verb(deps: Dependencies, request) -> response``."""

    sessions: async_sessionmaker[AsyncSession]
    blobs: BlobStore
    engine: Engine
    settings: AdminSettings
    storage: StorageSettings

    @property
    def raw_output_prefix(self) -> str:
        """Where tasks put raw data when nobody says otherwise."""
        return self.storage.raw_output_prefix or f"{self.blobs.root}/data"
