"""The grammar of filters, the sort keys and the tokens, without a database."""

import re

import pytest
from flyteidl.admin import common_pb2
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.dialects import postgresql

from flytetemporal import errors
from flytetemporal.admin.base import list_schemas
from flytetemporal.admin.base.models import ExecutionRow, TaskExecutionRow, TaskRow
from flytetemporal.db import filters

# The pattern in Flyte's documentation of filters.
FLYTE_PATTERN = re.compile(r"(.+)\((.+),[\t\n\f\r ]?(.+)\)")


def page(
    text: str = "",
    *,
    entity: filters.Entity = list_schemas.TASK,
    limit: int = 10,
    token: str = "",
    key: str = "",
    ascending: bool = False,
    unlimited: bool = False,
) -> filters.Page:
    sort_by = common_pb2.Sort(key=key, direction="ASCENDING" if ascending else "DESCENDING")
    return filters.page(
        limit=limit, token=token, filters=text, sort_by=sort_by, entity=entity, method="ListTasks", unlimited=unlimited
    )


def sql(found: filters.Page, row: type = TaskRow) -> str:
    query = found.apply(select(row.id))  # type: ignore[attr-defined]
    compiled = query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})  # type: ignore[no-untyped-call]
    return " ".join(str(compiled).split())


def refusal(text: str, entity: filters.Entity = list_schemas.TASK) -> str:
    with pytest.raises(errors.InvalidRequest) as failure:
        page(text, entity=entity)
    return failure.value.message


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("eq(name,x)", "tasks.name = 'x'"),
        ("ne(name,x)", "tasks.name != 'x'"),
        ("gt(version,1)", "tasks.version > '1'"),
        ("gte(version,1)", "tasks.version >= '1'"),
        ("lt(version,1)", "tasks.version < '1'"),
        ("lte(version,1)", "tasks.version <= '1'"),
        ("contains(name,x)", "tasks.name LIKE '%%x%%'"),
        ("not_like(name,x)", "tasks.name NOT LIKE 'x'"),
        ("value_in(name,x;y)", "tasks.name = ANY (ARRAY['x', 'y'])"),
        ("value_not_in(name,x;y)", "tasks.name != ALL (ARRAY['x', 'y'])"),
        ("eq(name, x)", "tasks.name = 'x'"),
        ("eq(name,  x)", "tasks.name = ' x'"),
        ("eq(task.name,x)", "tasks.name = 'x'"),
        ("eq(name,x) and more", "tasks.name = 'x'"),
        ("eq(id,7)", "tasks.id = 7"),
    ],
)
def test_each_function_is_a_comparison(text: str, clause: str) -> None:
    assert f"WHERE {clause} ORDER BY" in sql(page(text))


def test_expressions_must_all_hold() -> None:
    assert "tasks.name = 'x' AND tasks.version = 'y'" in sql(page("eq(name,x)+eq(version,y)"))


def test_values_never_become_sql() -> None:
    query = page("eq(name,' OR 1=1 --)").apply(select(TaskRow.id))

    compiled = query.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]

    assert "OR 1=1" not in str(compiled)
    assert "' OR 1=1 --" in compiled.params.values()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gibberish", "invalid value for filters"),
        ("eq(name)", "invalid value for filters"),
        ("eq(name,x", "invalid value for filters"),
        ("(name,x)", "invalid value for filters"),
        ("eq(name,a\0b)", "invalid value for filters"),
        ("eq(name,x)+", "invalid value for filters"),
        ("like(name,x)", "unrecognized filter function: like"),
        ("eq(nosuch,x)", "'t.nosuch' is invalid filter"),
        ("eq(name;--,x)", "'t.name;--' is invalid filter"),
        ("eq(name,a,b)", "'t.name,a' is invalid filter"),
        ("eq(workflow.name,x)", "'w' entity is not allowed in filters"),
        ("eq(nosuch.name,x)", "'t.nosuch.name' is invalid filter"),
        ("eq(name,a;b)", "invalid value for filters: name is compared with more than one value"),
        ("contains(id,1)", "invalid value for filters: id is not a text column"),
        ("eq(created_at,yesterday)", "invalid value for created_at: [yesterday] is not an RFC 3339 time"),
        ("eq(id,many)", "invalid value for id: [many] is not a 64-bit integer"),
        ("value_in(id,1;x)", "invalid value for id: [x] is not a 64-bit integer"),
    ],
)
def test_a_wrong_filter_is_refused_with_its_reason(text: str, message: str) -> None:
    assert refusal(text) == message


def test_a_duration_that_is_none_is_refused() -> None:
    assert refusal("gt(duration,soon)", list_schemas.EXECUTION) == "Failed to parse duration [soon]"


def test_a_hundred_filters_are_enough() -> None:
    assert len(page("+".join(["eq(name,x)"] * 100)).conditions) == 100
    assert "more than 100" in refusal("+".join(["eq(name,x)"] * 101))


@given(st.text(alphabet="(),; ab.", min_size=1, max_size=25))
def test_expressions_are_taken_apart_as_flyte_does(text: str) -> None:
    expected = FLYTE_PATTERN.search(text)

    if expected is None:
        with pytest.raises(errors.InvalidRequest):
            filters._pieces(text)
    else:
        function, target, value = expected.groups()
        assert filters._pieces(text) == (function, target, value.split(";"))


def test_filters_of_one_joined_entity_mean_one_row() -> None:
    found = sql(
        page("eq(execution_tag.key,team)+eq(execution_tag.value,ml)", entity=list_schemas.EXECUTION), ExecutionRow
    )

    assert found.count("EXISTS") == 1


def test_an_admin_tag_is_the_key_of_a_tag() -> None:
    found = sql(page("eq(admin_tag.name,nightly)", entity=list_schemas.EXECUTION), ExecutionRow)

    assert "execution_tags.key = 'nightly'" in found


def test_names_of_task_executions_mean_their_execution() -> None:
    found = sql(page("eq(name,e1)", entity=list_schemas.TASK_EXECUTION), TaskExecutionRow)
    other = sql(page("eq(task.name,t1)", entity=list_schemas.TASK_EXECUTION), TaskExecutionRow)

    assert "task_executions.execution_name = 'e1'" in found
    assert "tasks.name = 't1'" in other


def test_a_page_knows_what_it_is_filtered_by() -> None:
    found = page("eq(state,0)+eq(workflow.name,w)", entity=list_schemas.EXECUTION)

    assert found.filters_on("state")
    assert not found.filters_on("name")


def test_the_newest_come_first_unless_something_else_is_asked() -> None:
    assert "ORDER BY tasks.id DESC" in sql(page())
    assert "ORDER BY tasks.name DESC, tasks.id DESC" in sql(page(key="name"))
    assert "ORDER BY tasks.name ASC, tasks.id ASC" in sql(page(key="name", ascending=True))


@pytest.mark.parametrize("key", ["nosuch", "workflow.name", "name; DROP TABLE tasks"])
def test_only_own_columns_sort(key: str) -> None:
    with pytest.raises(errors.InvalidRequest) as failure:
        page(key=key)

    assert failure.value.message == f"invalid sort key '{key}'"


def test_the_limit_must_be_positive_unless_all_may_be_asked_for() -> None:
    with pytest.raises(errors.InvalidRequest, match=r"^invalid value for limit$"):
        page(limit=0)

    assert "LIMIT ALL" in sql(page(limit=0, unlimited=True))


@pytest.mark.parametrize("token", ["x", "-1", "1.5", "٣", " 1", str(2**63)])
def test_a_token_is_an_offset(token: str) -> None:
    with pytest.raises(errors.InvalidRequest) as failure:
        page(token=token)

    assert failure.value.message == f"invalid pagination token {token} for ListTasks"


def test_only_a_full_page_has_one_after_it() -> None:
    found = page(limit=2, token="4")

    assert found.next_token(["a", "b"]) == "6"
    assert found.next_token(["a"]) == ""
    assert page(limit=0, unlimited=True).next_token(["a"]) == ""
