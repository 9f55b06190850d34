"""The gRPC client with which workers call the catalog."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from flyteidl.datacatalog import datacatalog_pb2 as datacatalog

from flytetemporal.contracts.v1 import cache_operations_pb2
from flytetemporal.idl import times
from flytetemporal.rpc.client import Client, Tokens
from flytetemporal.rpc.tls import ClientFiles

_SERVICE = "/datacatalog.DataCatalog/"
_OURS = "/flytetemporal.v1.CacheOperationsService/"


class CatalogClient(Client):
    """Client of DataCatalog, and of lookups of ours. Methods raise ``Unavailable`` if it does not answer."""

    def __init__(self, endpoint: str, files: ClientFiles | None = None, tokens: Tokens | None = None) -> None:
        super().__init__(endpoint, files, tokens)
        self._create_dataset = self.method(f"{_SERVICE}CreateDataset", datacatalog.CreateDatasetResponse)
        self._get_dataset = self.method(f"{_SERVICE}GetDataset", datacatalog.GetDatasetResponse)
        self._create_artifact = self.method(f"{_SERVICE}CreateArtifact", datacatalog.CreateArtifactResponse)
        self._get_artifact = self.method(f"{_SERVICE}GetArtifact", datacatalog.GetArtifactResponse)
        self._update_artifact = self.method(f"{_SERVICE}UpdateArtifact", datacatalog.UpdateArtifactResponse)
        self._reserve = self.method(f"{_SERVICE}GetOrExtendReservation", datacatalog.GetOrExtendReservationResponse)
        self._release = self.method(f"{_SERVICE}ReleaseReservation", datacatalog.ReleaseReservationResponse)
        self._add_tag = self.method(f"{_SERVICE}AddTag", datacatalog.AddTagResponse)
        self._look_up = self.method(f"{_OURS}LookUp", cache_operations_pb2.LookUpResponse)

    async def create_dataset(self, dataset: datacatalog.Dataset) -> None:
        """Create a dataset. Raises ``AlreadyExists``."""
        await self._create_dataset(datacatalog.CreateDatasetRequest(dataset=dataset))

    async def get_dataset(self, dataset: datacatalog.DatasetID) -> datacatalog.Dataset:
        """Return a dataset. Raises ``NotFound``."""
        return (await self._get_dataset(datacatalog.GetDatasetRequest(dataset=dataset))).dataset

    async def create_artifact(self, artifact: datacatalog.Artifact) -> None:
        """Create an artifact. Raises ``AlreadyExists``, and ``NotFound`` without its dataset."""
        await self._create_artifact(datacatalog.CreateArtifactRequest(artifact=artifact))

    async def tagged(self, dataset: datacatalog.DatasetID, tag: str) -> datacatalog.Artifact:
        """Return the artifact that has a tag. Raises ``NotFound``."""
        request = datacatalog.GetArtifactRequest(dataset=dataset, tag_name=tag)
        return (await self._get_artifact(request)).artifact

    async def look_up(self, keys: Iterable[cache_operations_pb2.LookUpKey]) -> Sequence[cache_operations_pb2.LookedUp]:
        """Return the artifacts of up to 100 keys, in their order."""
        return (await self._look_up(cache_operations_pb2.LookUpRequest(keys=keys))).found

    async def replace_tagged(self, tag: str, artifact: datacatalog.Artifact) -> str:
        """Replace data and metadata of the artifact that has a tag; return its id. Raises ``NotFound``."""
        request = datacatalog.UpdateArtifactRequest(
            dataset=artifact.dataset, tag_name=tag, data=artifact.data, metadata=artifact.metadata
        )
        return (await self._update_artifact(request)).artifact_id

    async def add_tag(self, tag: datacatalog.Tag) -> None:
        """Tag an artifact. Raises ``AlreadyExists``."""
        await self._add_tag(datacatalog.AddTagRequest(tag=tag))

    async def reserve(self, reservation: datacatalog.ReservationID, owner: str, heartbeat: timedelta) -> str:
        """Take or extend a reservation; return its holder, which can be another owner."""
        request = datacatalog.GetOrExtendReservationRequest(
            reservation_id=reservation, owner_id=owner, heartbeat_interval=times.duration(heartbeat)
        )
        return (await self._reserve(request)).reservation.owner_id

    async def release(self, reservation: datacatalog.ReservationID, owner: str) -> None:
        """Give back a reservation; that of another owner stays."""
        await self._release(datacatalog.ReleaseReservationRequest(reservation_id=reservation, owner_id=owner))
