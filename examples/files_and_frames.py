"""Typed data between tasks: a file and a pandas DataFrame travel through the object store."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd
from flytekit import current_context, task, workflow
from flytekit.types.file import FlyteFile


class Report(NamedTuple):
    table: pd.DataFrame
    summary: FlyteFile
    total: int


@task
def write_csv(rows: int) -> FlyteFile:
    path = Path(current_context().working_directory) / "orders.csv"
    lines = [f"item-{number % 3},{number}" for number in range(rows)]
    path.write_text("\n".join(["item,amount", *lines]) + "\n")
    return FlyteFile(str(path))


@task
def load(csv: FlyteFile) -> pd.DataFrame:
    return pd.read_csv(csv.download())


@task
def sum_by_item(orders: pd.DataFrame) -> pd.DataFrame:
    return orders.groupby("item", as_index=False)["amount"].sum()


@task
def summarize(totals: pd.DataFrame) -> tuple[FlyteFile, int]:
    path = Path(current_context().working_directory) / "summary.txt"
    path.write_text(totals.to_string(index=False))
    return FlyteFile(str(path)), int(totals["amount"].sum())


@workflow
def report_workflow(rows: int = 100) -> Report:
    totals = sum_by_item(orders=load(csv=write_csv(rows=rows)))
    summary, total = summarize(totals=totals)
    return Report(table=totals, summary=summary, total=total)
