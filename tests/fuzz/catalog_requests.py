"""Valid requests to the catalog, from which hostile ones are made. Together they find what the others have created."""

from flyteidl.cacheservice import cacheservice_pb2 as cacheservice
from flyteidl.core import literals_pb2
from flyteidl.datacatalog import datacatalog_pb2 as datacatalog
from google.protobuf import duration_pb2
from google.protobuf.message import Message

from flytetemporal.contracts.v1 import cache_operations_pb2
from tests.fixtures.registrations import DOMAIN, PROJECT, integer

DATASET = datacatalog.DatasetID(project=PROJECT, domain=DOMAIN, name="flyte_task-t", version="1-a-b")
DATA = [datacatalog.ArtifactData(name="o0", value=integer(1))]
RESERVATION = datacatalog.ReservationID(dataset_id=DATASET, tag_name="tag")
FILTERS = datacatalog.FilterExpression(
    filters=[
        datacatalog.SinglePropertyFilter(tag_filter={"tag_name": "tag"}),
        datacatalog.SinglePropertyFilter(partition_filter={"key_val": {"key": "ds", "value": "1"}}),
    ]
)
OF_DATASETS = datacatalog.FilterExpression(
    filters=[datacatalog.SinglePropertyFilter(dataset_filter={"name": DATASET.name})]
)
PAGE = datacatalog.PaginationOptions(limit=5, token="1")
HEARTBEAT = duration_pb2.Duration(seconds=1)

SCOPE = cache_operations_pb2.CacheScope(project=PROJECT, domain=DOMAIN, task="t", task_version="v")
OF_EXECUTION = cache_operations_pb2.CacheScope(project=PROJECT, domain=DOMAIN, execution="fuzzed")
POLICY = cache_operations_pb2.CachePolicy(scope=SCOPE, max_age=HEARTBEAT)

VALID: dict[str, list[Message]] = {
    "DataCatalog/CreateDataset": [
        datacatalog.CreateDatasetRequest(
            dataset=datacatalog.Dataset(id=DATASET, partitionKeys=["ds"], metadata={"key_map": {"task-version": "v"}})
        )
    ],
    "DataCatalog/GetDataset": [datacatalog.GetDatasetRequest(dataset=DATASET)],
    "DataCatalog/ListDatasets": [datacatalog.ListDatasetsRequest(filter=OF_DATASETS, pagination=PAGE)],
    "DataCatalog/CreateArtifact": [
        datacatalog.CreateArtifactRequest(
            artifact=datacatalog.Artifact(
                id="a",
                dataset=DATASET,
                data=DATA,
                partitions=[datacatalog.Partition(key="ds", value="1")],
                metadata={"key_map": {"execution-name": "fuzzed"}},
            )
        )
    ],
    "DataCatalog/GetArtifact": [
        datacatalog.GetArtifactRequest(dataset=DATASET, tag_name="tag"),
        datacatalog.GetArtifactRequest(artifact_id="a"),
    ],
    "DataCatalog/UpdateArtifact": [datacatalog.UpdateArtifactRequest(dataset=DATASET, tag_name="tag", data=DATA)],
    "DataCatalog/AddTag": [
        datacatalog.AddTagRequest(tag=datacatalog.Tag(name="tag", artifact_id="a", dataset=DATASET))
    ],
    "DataCatalog/ListArtifacts": [datacatalog.ListArtifactsRequest(dataset=DATASET, filter=FILTERS, pagination=PAGE)],
    "DataCatalog/GetOrExtendReservation": [
        datacatalog.GetOrExtendReservationRequest(
            reservation_id=RESERVATION, owner_id="me", heartbeat_interval=HEARTBEAT
        )
    ],
    "DataCatalog/ReleaseReservation": [
        datacatalog.ReleaseReservationRequest(reservation_id=RESERVATION, owner_id="me")
    ],
    "CacheOperationsService/LookUp": [
        cache_operations_pb2.LookUpRequest(
            keys=[cache_operations_pb2.LookUpKey(dataset=DATASET, tags=["tag", "other"])]
        )
    ],
    "CacheOperationsService/ListEntries": [
        cache_operations_pb2.ListEntriesRequest(scope=SCOPE, limit=5, token="7"),
        cache_operations_pb2.ListEntriesRequest(scope=OF_EXECUTION),
    ],
    "CacheOperationsService/Evict": [
        cache_operations_pb2.EvictRequest(scope=SCOPE, dry_run=True),
        cache_operations_pb2.EvictRequest(scope=OF_EXECUTION),
    ],
    "CacheOperationsService/SetPolicy": [cache_operations_pb2.SetPolicyRequest(policy=POLICY)],
    "CacheOperationsService/DeletePolicy": [cache_operations_pb2.DeletePolicyRequest(scope=SCOPE)],
    "CacheOperationsService/ListPolicies": [cache_operations_pb2.ListPoliciesRequest(project=PROJECT)],
    "CacheService/Get": [cacheservice.GetCacheRequest(key="k")],
    "CacheService/Put": [
        cacheservice.PutCacheRequest(
            key="k",
            output=cacheservice.CachedOutput(output_literals=literals_pb2.LiteralMap(literals={"o0": integer(1)})),
            overwrite=True,
        )
    ],
    "CacheService/Delete": [cacheservice.DeleteCacheRequest(key="k")],
    "CacheService/GetOrExtendReservation": [
        cacheservice.GetOrExtendReservationRequest(key="k", owner_id="me", heartbeat_interval=HEARTBEAT)
    ],
    "CacheService/ReleaseReservation": [cacheservice.ReleaseReservationRequest(key="k", owner_id="me")],
}
