"""The dependencies of the catalog's handlers; built once, in ``cli``."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from flytetemporal.config.catalog import CatalogSettings
from flytetemporal.contracts.v1 import cache_operations_pb2
from flytetemporal.storage.blobs import BlobStore

CheckNames: TypeAlias = Callable[[cache_operations_pb2.CacheScope], Awaitable[None]]
"""Raises ``NotFound`` if a scope names a project, domain, task or execution that does not exist."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """The first argument of every handler: ``async def verb(deps: Catalog, request) -> response``."""

    sessions: async_sessionmaker[AsyncSession]
    blobs: BlobStore
    settings: CatalogSettings
    # None: the catalog is served alone and does not know what exists.
    check_names: CheckNames | None = None
