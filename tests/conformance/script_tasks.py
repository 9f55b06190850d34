"""Tasks with a script or a query instead of a Python function."""

import contextlib
import os
import sqlite3
import tempfile
from pathlib import Path
from typing import List

import pandas as pd
from case import Case
from flytekit import kwtypes, task, workflow
from flytekit.extras.sqlite3.task import SQLite3Config, SQLite3Task
from flytekit.extras.tasks.shell import OutputLocation, ShellTask, get_raw_shell_task
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile
from flytekit.types.schema import FlyteSchema

PLACE = Path(tempfile.gettempdir()) / "script_tasks"


def songs() -> str:
    """Return the path of a small database, which is created when this program is registered."""
    PLACE.mkdir(exist_ok=True)
    path = PLACE / "songs.db"
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("create table if not exists songs (name text primary key, plays integer)")
        rows = [("a", 1), ("b", 9), ("c", 5), ("d", 7)]
        database.executemany("insert or replace into songs values (?, ?)", rows)
    return str(path)


def script() -> str:
    """Return the path of a script on the worker's machine."""
    PLACE.mkdir(exist_ok=True)
    path = PLACE / "script.sh"
    path.write_text('echo "$WORD $1" > words.txt\n')
    return str(path)


write = ShellTask(
    name="script_tasks.write",
    script="""
    set -e
    echo "{inputs.greeting}, {inputs.name}" > {outputs.greeted}
    mkdir -p {outputs.parts}
    echo one > {outputs.parts}/1.txt
    echo two > {outputs.parts}/2.txt
    """,
    inputs=kwtypes(greeting=str, name=str),
    output_locs=[
        OutputLocation(var="greeted", var_type=FlyteFile, location="greeted.txt"),
        OutputLocation(var="parts", var_type=FlyteDirectory, location="parts"),
    ],
)

count = ShellTask(
    name="script_tasks.count",
    script="""
    cat {inputs.greeted} {inputs.parts}/*.txt | wc -l > {outputs.lines}
    """,
    inputs=kwtypes(greeted=FlyteFile, parts=FlyteDirectory),
    output_locs=[OutputLocation(var="lines", var_type=FlyteFile, location="lines.txt")],
)

fails = ShellTask(
    name="script_tasks.fails",
    script="echo some words; echo a complaint >&2; exit {inputs.code}",
    inputs=kwtypes(code=int),
)

raw = get_raw_shell_task(name="script_tasks.raw")

select = SQLite3Task(
    name="script_tasks.select",
    query_template="select name, plays from songs where plays > {{.inputs.least}} order by plays limit {{.inputs.most}}",
    inputs=kwtypes(least=int, most=int),
    output_schema_type=FlyteSchema[kwtypes(name=str, plays=int)],
    task_config=SQLite3Config(uri=songs()),
)


@task
def text_of(file: FlyteFile) -> str:
    with open(file) as opened:
        return opened.read().strip()


@workflow
def shell(greeting: str, name: str) -> (str, str):
    greeted, parts = write(greeting=greeting, name=name)
    lines = count(greeted=greeted, parts=parts)
    return text_of(file=greeted), text_of(file=lines)


@workflow
def failing_shell(code: int) -> None:
    fails(code=code)


@task
def words(directory: FlyteDirectory) -> str:
    with open(os.path.join(directory, "words.txt")) as opened:
        return opened.read().strip()


@workflow
def raw_shell(script: str) -> str:
    return words(directory=raw(env={"WORD": "yes"}, script_args="no", script_file=script))


@task
def names(results: pd.DataFrame) -> List[str]:
    return list(results["name"])


@workflow
def query(least: int, most: int) -> List[str]:
    return names(results=select(least=least, most=most))


CASES = [
    Case(shell, {"greeting": "Hello", "name": "Ada"}, {"o0": "Hello, Ada", "o1": "3"}),
    Case(failing_shell, {"code": 3}, phase="FAILED", error="return-code 3"),
    Case(failing_shell, {"code": 4}, phase="FAILED", error="a complaint"),
    Case(raw_shell, {"script": script()}, {"o0": "yes no"}),
    Case(query, {"least": 4, "most": 2}, {"o0": ["c", "d"]}),
]
