"""The dependencies of the catalog's handlers; built once, in ``cli``."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from flytetemporal.config.catalog import CatalogSettings
from flytetemporal.storage.blobs import BlobStore


@dataclass(frozen=True, slots=True)
class Catalog:
    """The first argument of every handler: ``async def verb(deps: Catalog, request) -> response``."""

    sessions: async_sessionmaker[AsyncSession]
    blobs: BlobStore
    settings: CatalogSettings
