"""Every table has a decision about its rows when an execution, a version of an entity, or a project is removed."""

import importlib
import pkgutil

import pytest

import flytetemporal.admin
import flytetemporal.catalog
from flytetemporal.admin.deletions import rows
from flytetemporal.admin.retention import removing, tables
from flytetemporal.admin.retention.tables import Fate
from flytetemporal.db.orm import Base

for _package in (flytetemporal.admin, flytetemporal.catalog):
    for _module in pkgutil.walk_packages(_package.__path__, f"{_package.__name__}."):
        if _module.name.endswith(("models", "_rows")):
            importlib.import_module(_module.name)

OF_EXECUTIONS = {name for name, table in Base.metadata.tables.items() if set(removing.KEY) <= set(table.c.keys())}


def test_every_table_has_a_decision() -> None:
    undecided = set(Base.metadata.tables) - set(tables.TABLES)

    assert not undecided, f"say in admin/retention/tables what a removal does with the rows of {sorted(undecided)}"
    assert set(tables.TABLES) == set(Base.metadata.tables)


@pytest.mark.parametrize("table", sorted(OF_EXECUTIONS))
def test_tables_with_the_key_of_an_execution_say_what_becomes_of_their_rows(table: str) -> None:
    assert tables.TABLES[table].execution is not Fate.NONE


@pytest.mark.parametrize("table", rows.names())
def test_rows_that_go_with_their_project_are_found_by_it(table: str) -> None:
    columns = Base.metadata.tables[table].c
    parent = rows.PARENTS.get(table)

    assert parent is None or ("project" in Base.metadata.tables[parent[1]].c and parent[0] in columns)
    assert parent is not None or "project" in columns, f"say in admin/deletions/rows how {table} is about a project"


def test_rows_that_refer_to_others_of_a_project_go_before_these() -> None:
    order = rows.names()

    assert all(order.index(table) < order.index(parent) for table, (_, parent) in rows.PARENTS.items())
    assert order.index("trigger_events") < order.index("triggers")


def test_rows_that_go_in_the_first_transaction_are_found_by_the_key_of_their_execution() -> None:
    removed = tables.removed_with_execution(Fate.AT_ONCE)

    assert set(removed) <= OF_EXECUTIONS
    assert removed[-1] == "executions"


@pytest.mark.parametrize("table", sorted(tables.TABLES))
def test_rows_that_stay_or_can_refuse_a_removal_have_a_reason(table: str) -> None:
    fates = tables.TABLES[table]

    assert fates.because or not {fates.execution, fates.version, fates.project} & {Fate.KEPT, Fate.REFUSED}
