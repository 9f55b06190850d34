"""The tables that say which function serves which RPC."""

from collections.abc import Mapping

from flytetemporal.catalog import (
    artifacts,
    cached_outputs,
    dataset_reservations,
    datasets,
    entries,
    evictions,
    lookups,
    policies,
)
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.rpc.methods import Function

DATA_CATALOG: Mapping[str, Function[Catalog]] = {
    "CreateDataset": datasets.create,
    "GetDataset": datasets.get,
    "CreateArtifact": artifacts.create,
    "GetArtifact": artifacts.get,
    "UpdateArtifact": artifacts.update,
    "AddTag": artifacts.add_tag,
    "ListArtifacts": artifacts.list_artifacts,
    "ListDatasets": datasets.list_datasets,
    "GetOrExtendReservation": dataset_reservations.get_or_extend,
    "ReleaseReservation": dataset_reservations.release,
}

CACHE: Mapping[str, Function[Catalog]] = {
    "Get": cached_outputs.get,
    "Put": cached_outputs.put,
    "Delete": cached_outputs.remove,
    "GetOrExtendReservation": cached_outputs.get_or_extend_reservation,
    "ReleaseReservation": cached_outputs.release_reservation,
}

# Our own service: DataCatalog cannot remove artifacts, nor look up many at once.
CACHE_OPERATIONS: Mapping[str, Function[Catalog]] = {
    "LookUp": lookups.look_up,
    "ListEntries": entries.list_entries,
    "Evict": evictions.evict,
    "SetPolicy": policies.set_policy,
    "DeletePolicy": policies.delete_policy,
    "ListPolicies": policies.list_policies,
}
