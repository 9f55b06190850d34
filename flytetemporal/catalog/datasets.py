"""Datasets: create, read and list."""

import uuid

from flyteidl.datacatalog import datacatalog_pb2 as datacatalog
from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from flytetemporal import errors
from flytetemporal.catalog import checks, pages
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.catalog.models import DatasetRow


async def create(deps: Catalog, request: datacatalog.CreateDatasetRequest) -> datacatalog.CreateDatasetResponse:
    """Create a dataset."""
    dataset = request.dataset
    checks.check_dataset_id(dataset.id, given=request.HasField("dataset") and dataset.HasField("id"))
    checks.check_partition_keys(dataset.partitionKeys)
    values = {field: getattr(dataset.id, field) for field in checks.DATASET_FIELDS}
    statement = postgresql.insert(DatasetRow).values(
        **values,
        uuid=dataset.id.UUID or str(uuid.uuid4()),
        key_map=dict(dataset.metadata.key_map),
        partition_keys=list(dataset.partitionKeys),
    )
    async with deps.sessions.begin() as session:
        created = await session.scalar(statement.on_conflict_do_nothing().returning(DatasetRow.id))
    if created is None:
        raise errors.AlreadyExists(f"dataset {text(dataset.id)} already exists")
    return datacatalog.CreateDatasetResponse()


async def get(deps: Catalog, request: datacatalog.GetDatasetRequest) -> datacatalog.GetDatasetResponse:
    """Return a dataset."""
    checks.check_dataset_id(request.dataset, given=request.HasField("dataset"))
    async with deps.sessions() as session:
        row = await find(session, request.dataset)
    return datacatalog.GetDatasetResponse(dataset=message(row))


async def list_datasets(deps: Catalog, request: datacatalog.ListDatasetsRequest) -> datacatalog.ListDatasetsResponse:
    """List datasets, the newest first unless the request asks for another order."""
    page = pages.page(request.pagination, given=request.HasField("pagination"), method="ListDatasets")
    query = select(DatasetRow).where(*(_condition(one) for one in pages.filters(request.filter)))
    async with deps.sessions() as session:
        rows = (await session.scalars(page.apply(query, DatasetRow.id))).all()
    return datacatalog.ListDatasetsResponse(datasets=[message(row) for row in rows], next_token=page.next_token(rows))


async def find(session: AsyncSession, dataset: datacatalog.DatasetID) -> DatasetRow:
    """Return the row of a dataset. Raises ``NotFound``."""
    row = await session.scalar(of_id(select(DatasetRow), dataset))
    if row is None:
        raise errors.NotFound(f"missing entity of type Dataset with identifier {text(dataset)}")
    return row


def of_id(query: pages.S, dataset: datacatalog.DatasetID) -> pages.S:
    """Return the query restricted to one dataset. A UUID has to match, if it is given."""
    query = query.where(*(getattr(DatasetRow, field) == getattr(dataset, field) for field in checks.DATASET_FIELDS))
    return query.where(DatasetRow.uuid == dataset.UUID) if dataset.UUID else query


def message_id(row: DatasetRow) -> datacatalog.DatasetID:
    """Return the id of a row."""
    return datacatalog.DatasetID(
        project=row.project, domain=row.domain, name=row.name, version=row.version, UUID=row.uuid
    )


def message(row: DatasetRow) -> datacatalog.Dataset:
    """Return the dataset of a row."""
    return datacatalog.Dataset(
        id=message_id(row),
        metadata=datacatalog.Metadata(key_map=row.key_map),
        partitionKeys=row.partition_keys,
    )


def text(dataset: datacatalog.DatasetID) -> str:
    """Return an id as errors name it."""
    return f"[{'/'.join(getattr(dataset, field) for field in checks.DATASET_FIELDS)}]"


def _condition(one: datacatalog.SinglePropertyFilter) -> pages.Condition:
    kind = one.WhichOneof("property_filter")
    if kind != "dataset_filter":
        raise pages.not_filterable("Dataset", kind)
    field = one.dataset_filter.WhichOneof("property")
    if field not in checks.DATASET_FIELDS:
        raise errors.InvalidRequest(f"datasets cannot be filtered by [{field or 'nothing'}]")
    value: str = getattr(one.dataset_filter, field)
    checks.check_given(value, field)
    column: InstrumentedAttribute[str] = getattr(DatasetRow, field)
    return column == value
