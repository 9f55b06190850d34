"""A catalog on a real Postgres and a store of files."""

from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.config.catalog import CatalogSettings
from flytetemporal.storage.blobs import BlobStore


@pytest.fixture
def catalog(sessions: async_sessionmaker[AsyncSession], tmp_path: Path) -> Catalog:
    """Return an empty catalog."""
    return Catalog(sessions, BlobStore(str(tmp_path / "store"), confined_to=()), CatalogSettings())
