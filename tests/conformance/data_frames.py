"""Tables: pandas and Arrow, StructuredDataset with and without columns, the old FlyteSchema."""

from typing import Annotated

import pandas as pd
import pyarrow as pa
from case import Case
from flytekit import kwtypes, task, workflow
from flytekit.types.schema import FlyteSchema
from flytekit.types.structured import StructuredDataset


@task
def make(rows: int) -> pd.DataFrame:
    return pd.DataFrame({"a": list(range(rows)), "b": [str(row) for row in range(rows)]})


@task
def make_arrow(rows: int) -> pa.Table:
    return pa.table({"n": list(range(rows))})


@task
def make_schema(rows: int) -> FlyteSchema:
    schema = FlyteSchema()
    schema.open().write(pd.DataFrame({"a": list(range(rows))}))
    return schema


@task
def total(frame: StructuredDataset) -> int:
    return int(frame.open(pd.DataFrame).all()["a"].sum())


@task
def columns(frame: Annotated[StructuredDataset, kwtypes(a=int)]) -> str:
    return ",".join(frame.open(pd.DataFrame).all().columns)


@task
def rows_of(frame: pd.DataFrame, arrow: pa.Table, schema: FlyteSchema) -> int:
    return len(frame) + arrow.num_rows + len(schema.open().all())


@workflow
def tables(rows: int = 4) -> (int, str, int):
    frame = make(rows=rows)
    return (
        total(frame=frame),
        columns(frame=frame),
        rows_of(frame=frame, arrow=make_arrow(rows=rows), schema=make_schema(rows=rows)),
    )


CASES = [Case(tables, outputs={"o0": 6, "o1": "a", "o2": 12})]
