"""Tables: pandas and Arrow, StructuredDataset with and without columns, the old FlyteSchema; in maps, dynamic workflows, children."""

from pathlib import Path
from typing import Annotated, List

import pandas as pd
import pyarrow as pa
from case import Case
from flytekit import LaunchPlan, dynamic, kwtypes, map_task, task, workflow
from flytekit.types.file import FlyteFile
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


@task
def write(text: str) -> FlyteFile:
    file = FlyteFile.new_remote_file("text.txt")
    with file.open("w") as opened:
        opened.write(text)
    return file


@task
def frame_of(file: FlyteFile) -> pd.DataFrame:
    return pd.DataFrame({"a": [int(word) for word in Path(file.download()).read_text().split()]})


@task
def largest(frame: pd.DataFrame) -> int:
    return int(frame["a"].max())


@dynamic
def frames_of(files: List[FlyteFile]) -> List[pd.DataFrame]:
    return map_task(frame_of)(file=files)


@workflow
def largest_of(files: List[FlyteFile]) -> List[int]:
    return map_task(largest)(frame=frames_of(files=files))


largest_plan = LaunchPlan.get_or_create(largest_of, "data_frames.largest_plan")


@workflow
def data_through_everything(texts: List[str]) -> List[int]:
    return largest_plan(files=map_task(write)(text=texts))


CASES = [
    Case(data_through_everything, {"texts": ["1 5 3", "7"]}, {"o0": [5, 7]}),
    Case(tables, outputs={"o0": 6, "o1": "a", "o2": 12}),
]
