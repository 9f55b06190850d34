"""Scopes of operations: which cached outputs they are about."""

from flyteidl.core import identifier_pb2
from sqlalchemy import ColumnElement, Select, String, and_, func, literal_column, select, true
from sqlalchemy.orm import InstrumentedAttribute

from flytetemporal import errors
from flytetemporal.catalog import checks
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.catalog.models import ArtifactRow, DatasetRow
from flytetemporal.contracts.v1 import cache_operations_pb2
from flytetemporal.idl import cache_keys

# Metadata of artifacts and datasets, as ``activities.caching.metadata`` writes it.
TASK_VERSION = "task-version"
# Ours: the index of the element of a map task.
ELEMENT = "exec-element"
_NODE = "exec-node"
_EXECUTION = ("exec-project", "exec-domain", "execution-name")

Scope = cache_operations_pb2.CacheScope


def check(scope: Scope, *, given: bool) -> None:
    """Refuse a scope that says less than it seems to. Raises ``InvalidRequest``."""
    if not given:
        raise errors.InvalidRequest("missing scope")
    checks.check_given(scope.project, "scope.project")
    if scope.task_version and not scope.task:
        raise errors.InvalidRequest("missing scope.task: a task version needs the name of its task")
    if scope.execution and not scope.domain:
        raise errors.InvalidRequest("missing scope.domain: an execution needs its domain")


async def check_names(deps: Catalog, scope: Scope) -> None:
    """Refuse a scope whose names do not exist, unless the catalog knows it.

    An execution can have been deleted since, and tasks that only dynamic workflows contain are registered nowhere.

    Raises:
        NotFound: names what does not exist.
    """
    if deps.check_names is None:
        return
    queries: list[Select[int]] = [numbers(condition(scope))]
    if scope.task and not (scope.execution or scope.task_version):  # Datasets stay when outputs are evicted.
        of_task = select(DatasetRow.id).where(
            DatasetRow.project == scope.project, DatasetRow.name == dataset_name(scope.task)
        )
        queries.append(of_task.where(DatasetRow.domain == scope.domain) if scope.domain else of_task)
    async with deps.sessions() as session:
        for query in queries:
            if await session.scalar(query.limit(1)) is not None:
                return
    await deps.check_names(scope)


def numbers(wanted: ColumnElement[bool]) -> Select[int]:
    """Return the query of the row numbers of the artifacts to which a condition applies."""
    return select(ArtifactRow.id).join(DatasetRow, DatasetRow.id == ArtifactRow.dataset_id).where(wanted)


def text(scope: Scope) -> str:
    """Return a scope as errors and logs name it."""
    fields = {field.name: value for field, value in scope.ListFields()}
    return ", ".join(f"{name} {value}" for name, value in fields.items())


def version() -> ColumnElement[str]:
    """Return the version of the task that made an artifact. Flyte only says it of the dataset's first artifact."""
    return func.coalesce(_metadata(ArtifactRow.key_map, TASK_VERSION), _metadata(DatasetRow.key_map, TASK_VERSION), "")


def _metadata(key_map: InstrumentedAttribute[dict[str, str]], key: str) -> ColumnElement[str]:
    # Not a parameter: an index on an expression is found by the text of the expression.
    return key_map.op("->>", return_type=String())(literal_column(f"'{key}'"))


def dataset_name(task: str) -> str:
    """Return the name of a task's datasets; empty for an empty name."""
    return f"{cache_keys.DATASET_PREFIX}{task}" if task else ""


def task_name(dataset: str) -> str:
    """Return the name of the task that a dataset is of."""
    return dataset.removeprefix(cache_keys.DATASET_PREFIX)


def source(artifact: ArtifactRow) -> identifier_pb2.NodeExecutionIdentifier | None:
    """Return the node that made an artifact, if its metadata says so."""
    project, domain, name = (artifact.key_map.get(key, "") for key in _EXECUTION)
    if not name:
        return None
    return identifier_pb2.NodeExecutionIdentifier(
        node_id=artifact.key_map.get(_NODE, ""),
        execution_id=identifier_pb2.WorkflowExecutionIdentifier(project=project, domain=domain, name=name),
    )


def condition(scope: Scope) -> ColumnElement[bool]:
    """Return the condition on joined artifacts and datasets that a checked scope stands for."""
    found = [DatasetRow.name == dataset_name(scope.task)] if scope.task else []
    if scope.task_version:
        found.append(version() == scope.task_version)
    if scope.execution:
        place = (scope.project, scope.domain, scope.execution)
        found += [_metadata(ArtifactRow.key_map, key) == value for key, value in zip(_EXECUTION, place, strict=True)]
    else:
        found.append(DatasetRow.project == scope.project)
        found += [DatasetRow.domain == scope.domain] if scope.domain else []
    return and_(true(), *found)
