"""The checklists of CONTRIBUTING.md name what exists, and the code follows them."""

import ast
import gzip
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from google.protobuf.message import Message
from temporalio.client import WorkflowHistory

from flytetemporal import config
from flytetemporal.admin.base import models
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.cli.wiring import control_plane
from flytetemporal.config.auth import AuthSettings
from flytetemporal.config.part import Part
from flytetemporal.config.settings import Settings
from flytetemporal.contracts import payloads
from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from flytetemporal.storage.signing import Signer
from flytetemporal.workflows.nodes import dispatch
from scripts import documented_names

ROOT = documented_names.ROOT
CHECKLISTS = (ROOT / "CONTRIBUTING.md").read_text().partition("\n## Checklists\n")[2].partition("\n## ")[0]
NODE_KINDS = {field.name for field in graph_pb2.Node.DESCRIPTOR.oneofs_by_name["target"].fields}
# The start node has nothing to run: a walk begins with its outputs.
RUN_KINDS = sorted(NODE_KINDS - {"start"})
CONFIG_MODULES = [
    importlib.import_module(f"{config.__name__}.{found.name}") for found in pkgutil.iter_modules(config.__path__)
]
MIGRATIONS = "".join(file.read_text() for file in (ROOT / "flytetemporal/db/migrations/versions").glob("*.py"))


def test_there_is_a_checklist_for_everything_that_is_often_added() -> None:
    titles = re.findall(r"^### Add (.*)$", CHECKLISTS, re.MULTILINE)

    assert titles == ["a node kind", "a task plugin", "an RPC", "a command", "a setting", "a table or a column"]


def test_every_path_and_name_in_the_checklists_exists() -> None:
    assert len(list(documented_names.references(CHECKLISTS))) > 20
    assert documented_names.missing(CHECKLISTS) == []


@pytest.mark.parametrize("kind", RUN_KINDS)
def test_every_node_kind_has_its_module_and_its_line(kind: str) -> None:
    module = importlib.import_module(f"flytetemporal.workflows.nodes.{kind}")

    assert dispatch._KINDS[kind] is module.run


def test_no_line_is_left_of_a_node_kind_that_is_gone() -> None:
    assert sorted(dispatch._KINDS) == RUN_KINDS


async def test_every_node_kind_has_a_recorded_history() -> None:
    histories = sorted((ROOT / "tests/replay/histories").glob("*.json.gz"))
    unrecorded = set(NODE_KINDS)
    for path in histories:
        if not unrecorded:
            break
        unrecorded -= await recorded_kinds(path)

    assert unrecorded == set()


@pytest.mark.parametrize("module", CONFIG_MODULES, ids=lambda module: module.__name__)
def test_every_setting_has_a_docstring(module: Any) -> None:
    tree = ast.parse(Path(module.__file__).read_text())
    parts = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name != Settings.__name__]

    assert [f"{part.name}.{field}" for part in parts for field in undocumented(part)] == []


def test_every_settings_class_is_a_part_of_the_settings() -> None:
    parts = {field.annotation for field in Settings.model_fields.values()}
    sections = {field.annotation for field in AuthSettings.model_fields.values()}

    assert set(Part.__subclasses__()) - sections == parts


@pytest.mark.parametrize("table", sorted(models.ProjectRow.metadata.tables))
def test_every_table_has_a_migration(table: str) -> None:
    assert re.search(rf'op\.create_table\(\s*"{table}"', MIGRATIONS)


def test_every_table_has_a_row_class() -> None:
    assert [mapper.class_.__name__ for mapper in models.ProjectRow.registry.mappers if not is_row(mapper.class_)] == []


def test_every_rpc_of_every_served_service_has_a_handler() -> None:
    methods = control_plane.methods(cast("Dependencies", None), cast("Signer", None), cast("Catalog", None))

    pool = graph_pb2.DESCRIPTOR.pool
    declared = {
        f"/{service}/{method.name}"
        for service in {method.service for method in methods}
        for method in pool.FindServiceByName(service).methods
    }
    unserved = {method.service for method in methods if "_unimplemented" in getattr(method.handler, "__qualname__", "")}
    assert {method.path for method in methods} == declared
    # It answers that there is no authentication.
    assert unserved == {"flyteidl.service.AuthMetadataService"}


def is_row(table: type) -> bool:
    return table.__name__.endswith("Row")


def undocumented(part: ast.ClassDef) -> Iterator[str]:
    """Yield the fields of a class that no string follows."""
    for field, after in zip(part.body, [*part.body[1:], None], strict=True):
        match field, after:
            case ast.AnnAssign(), ast.Expr(value=ast.Constant(value=str())):
                continue
            case ast.AnnAssign(target=ast.Name(id=name)), _:
                yield name
            case _:
                pass


async def recorded_kinds(path: Path) -> set[str]:
    """Return the kinds of nodes in the graph of a recorded execution; none if the graph is not in the history."""
    history = WorkflowHistory.from_json("recorded", gzip.decompress(path.read_bytes()).decode())
    started = history.events[0].workflow_execution_started_event_attributes
    if started.workflow_type.name != "ExecutionWorkflow":
        return set()
    (given,) = await payloads.DATA_CONVERTER.decode(started.input.payloads, [execution_pb2.ExecutionInput])
    if given.WhichOneof("graph") != "inline_graph":
        return set()
    return set(kinds_in(graph_pb2.Graph.FromString(gzip.decompress(given.inline_graph))))


def kinds_in(message: Message) -> Iterator[str]:
    """Yield the kind of every node of a message, those inside branches and arrays included."""
    if isinstance(message, graph_pb2.Node):
        yield message.WhichOneof("target") or "none"
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.file.name == graph_pb2.DESCRIPTOR.name:
            for inner in value if field.is_repeated else [value]:
                yield from kinds_in(inner)


MAX_MODULES = 20


def test_no_package_has_more_modules_than_a_reader_can_survey() -> None:
    # Except for generated code, which readers look at in protos/.
    packages = [path.parent for path in ROOT.glob("flytetemporal/**/__init__.py") if path.parent.name != "v1"]
    sizes = {
        package: len([path for path in package.glob("*.py") if path.name != "__init__.py"]) for package in packages
    }

    assert not {package: size for package, size in sizes.items() if size > MAX_MODULES}
