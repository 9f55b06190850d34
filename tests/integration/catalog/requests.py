"""Builders of requests to the catalog."""

from typing import Any

from flyteidl.core import literals_pb2
from flyteidl.datacatalog import datacatalog_pb2 as dc

from flytetemporal.catalog import artifacts, datasets
from flytetemporal.catalog.dependencies import Catalog


def dataset_id(name: str = "flyte_task-t", **fields: str) -> dc.DatasetID:
    return dc.DatasetID(**{"project": "p", "domain": "d", "name": name, "version": "1-a-b", **fields})


def literal(value: int) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=value)))


def data(**values: int) -> list[dc.ArtifactData]:
    return [dc.ArtifactData(name=name, value=literal(value)) for name, value in values.items()]


def artifact(name: str = "a1", **fields: Any) -> dc.Artifact:
    return dc.Artifact(**{"id": name, "dataset": dataset_id(), "data": data(o0=1), **fields})


def tag(name: str = "t1", of: str = "a1") -> dc.Tag:
    return dc.Tag(name=name, artifact_id=of, dataset=dataset_id())


def partition(key: str, value: str) -> dc.Partition:
    return dc.Partition(key=key, value=value)


async def create_dataset(catalog: Catalog, *keys: str, **fields: str) -> None:
    dataset = dc.Dataset(
        id=dataset_id(**fields), partitionKeys=keys, metadata=dc.Metadata(key_map={"task-version": "v"})
    )
    await datasets.create(catalog, dc.CreateDatasetRequest(dataset=dataset))


async def create_artifact(catalog: Catalog, name: str = "a1", **fields: Any) -> None:
    await artifacts.create(catalog, dc.CreateArtifactRequest(artifact=artifact(name, **fields)))


async def add_tag(catalog: Catalog, name: str = "t1", of: str = "a1") -> None:
    await artifacts.add_tag(catalog, dc.AddTagRequest(tag=tag(name, of)))


async def by_tag(catalog: Catalog, name: str = "t1") -> dc.Artifact:
    response = await artifacts.get(catalog, dc.GetArtifactRequest(dataset=dataset_id(), tag_name=name))
    return response.artifact


async def by_id(catalog: Catalog, name: str = "a1") -> dc.Artifact:
    response = await artifacts.get(catalog, dc.GetArtifactRequest(dataset=dataset_id(), artifact_id=name))
    return response.artifact
