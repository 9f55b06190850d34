"""The catalog as attempts use it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from typing import Protocol, TypeVar

from flyteidl.datacatalog import datacatalog_pb2 as datacatalog

from flytetemporal.contracts.v1 import cache_operations_pb2
from flytetemporal.errors import Unavailable

T = TypeVar("T")

# A catalog that restarts is back soon; one that is down for longer must not hold up tasks.
PAUSES_SECONDS = (0.2, 0.8)


class Catalog(Protocol):
    """The catalog as attempts use it; see ``rpc.catalog_client``."""

    async def create_dataset(self, dataset: datacatalog.Dataset) -> None:
        """Create a dataset."""

    async def get_dataset(self, dataset: datacatalog.DatasetID) -> datacatalog.Dataset:
        """Return a dataset."""

    async def create_artifact(self, artifact: datacatalog.Artifact) -> None:
        """Create an artifact."""

    async def tagged(self, dataset: datacatalog.DatasetID, tag: str) -> datacatalog.Artifact:
        """Return the artifact that has a tag."""

    async def look_up(self, keys: Iterable[cache_operations_pb2.LookUpKey]) -> Sequence[cache_operations_pb2.LookedUp]:
        """Return the artifacts of up to 100 keys, in their order."""

    async def replace_tagged(self, tag: str, artifact: datacatalog.Artifact) -> str:
        """Replace data and metadata of the artifact that has a tag; return its id."""

    async def add_tag(self, tag: datacatalog.Tag) -> None:
        """Tag an artifact."""

    async def reserve(self, reservation: datacatalog.ReservationID, owner: str, heartbeat: timedelta) -> str:
        """Take or extend a reservation; return its holder."""

    async def release(self, reservation: datacatalog.ReservationID, owner: str) -> None:
        """Give back a reservation."""


async def answer(call: Callable[[], Awaitable[T]]) -> T:
    """Return the catalog's answer; repeat the call a few times if there is none. Raises ``Unavailable``."""
    for pause in PAUSES_SECONDS:
        try:
            return await call()
        except Unavailable:
            await asyncio.sleep(pause)
    return await call()
