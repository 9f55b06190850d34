"""Tasks that carry a script or a query in place of a Python function."""

import os
from typing import List

import pandas as pd
from flytekit import kwtypes, task, workflow
from flytekit.extras.sqlite3.task import SQLite3Config, SQLite3Task
from flytekit.extras.tasks.shell import OutputLocation, ShellTask, get_raw_shell_task
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile
from flytekit.types.schema import FlyteSchema

write = ShellTask(
    name="scripts.write",
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
    name="scripts.count",
    script="""
    cat {inputs.greeted} {inputs.parts}/*.txt | wc -l > {outputs.lines}
    """,
    inputs=kwtypes(greeted=FlyteFile, parts=FlyteDirectory),
    output_locs=[OutputLocation(var="lines", var_type=FlyteFile, location="lines.txt")],
)

fails = ShellTask(
    name="scripts.fails", script="echo some words; echo a complaint >&2; exit {inputs.code}", inputs=kwtypes(code=int)
)

raw = get_raw_shell_task(name="scripts.raw")

select = SQLite3Task(
    name="scripts.select",
    query_template="select name, plays from songs where plays > {{.inputs.least}} order by plays limit {{.inputs.most}}",
    inputs=kwtypes(least=int, most=int),
    output_schema_type=FlyteSchema[kwtypes(name=str, plays=int)],
    task_config=SQLite3Config(uri=os.environ.get("SONGS", "songs.db")),
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
def failing_shell(code: int = 3) -> None:
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
def query(least: int, most: int = 2) -> List[str]:
    return names(results=select(least=least, most=most))
