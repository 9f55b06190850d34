"""Every type of value that flytekit supports, through the store and back."""

import datetime as dt
import enum
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Union

import pandas as pd
import pyarrow as pa
from flytekit import current_context, task, workflow
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile
from flytekit.types.schema import FlyteSchema
from flytekit.types.structured import StructuredDataset
from pydantic import BaseModel


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Inner:
    names: List[str] = field(default_factory=lambda: ["a", "b"])
    size: int = 3


@dataclass
class Outer:
    inner: Inner = field(default_factory=Inner)
    ratio: float = 0.5


class Model(BaseModel):
    n: int = 4
    tags: List[str] = ["x"]


class NotSerializable:
    def __init__(self, text: str) -> None:
        self.text = text


class Made(NamedTuple):
    outer: Outer
    model: Model
    pickled: NotSerializable
    table: pd.DataFrame
    arrow: pa.Table
    schema: FlyteSchema
    file: FlyteFile
    directory: FlyteDirectory
    maybe: Optional[int]
    either: Union[int, str]
    colours: Dict[str, Colour]


@task
def make() -> Made:
    folder = Path(current_context().working_directory)
    (folder / "f.txt").write_text("body")
    (folder / "d").mkdir()
    for name in "ab":
        (folder / "d" / name).write_text(name)
    table = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    schema = FlyteSchema()
    schema.open().write(table)
    return Made(
        outer=Outer(),
        model=Model(),
        pickled=NotSerializable("pickled"),
        table=table,
        arrow=pa.table({"n": [1, 2]}),
        schema=schema,
        file=FlyteFile(str(folder / "f.txt")),
        directory=FlyteDirectory(str(folder / "d")),
        maybe=None,
        either="either",
        colours={"k": Colour.BLUE},
    )


@task
def read(
    outer: Outer,
    model: Model,
    pickled: NotSerializable,
    table: pd.DataFrame,
    arrow: pa.Table,
    schema: FlyteSchema,
    file: FlyteFile,
    directory: FlyteDirectory,
    maybe: Optional[int],
    either: Union[int, str],
    colours: Dict[str, Colour],
    when: dt.datetime,
    took: dt.timedelta,
) -> str:
    parts = [
        outer.inner.names,
        outer.ratio,
        model.n,
        model.tags,
        pickled.text,
        int(table["a"].sum()),
        arrow.num_rows,
        len(schema.open().all()),
        Path(file.download()).read_text(),
        sorted(p.name for p in Path(directory.download()).iterdir()),
        maybe,
        either,
        colours["k"].value,
        when.isoformat(),
        took.total_seconds(),
    ]
    return "|".join(str(part) for part in parts)


@task
def total(dataset: StructuredDataset) -> int:
    return int(dataset.open(pd.DataFrame).all()["a"].sum())


@task
def describe(size: int, name: str) -> str:
    return f"{name}{size}"


@workflow
def every_type() -> (str, int, str):
    made = make()
    text = read(
        outer=made.outer,
        model=made.model,
        pickled=made.pickled,
        table=made.table,
        arrow=made.arrow,
        schema=made.schema,
        file=made.file,
        directory=made.directory,
        maybe=made.maybe,
        either=made.either,
        colours=made.colours,
        when=dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc),
        took=dt.timedelta(seconds=90),
    )
    return text, total(dataset=made.table), describe(size=made.outer.inner.size, name=made.outer.inner.names[1])
