from pathlib import Path

from flytekit import current_context, task, workflow
from flytekit.types.file import FlyteFile


@task
def write(text: str) -> FlyteFile:
    path = Path(current_context().working_directory) / "text"
    path.write_text(text)
    return FlyteFile(str(path))


@task
def read(file: FlyteFile) -> str:
    with open(file) as opened:
        return f"{opened.read()} " * 2


@workflow
def wf(text: str) -> str:
    return read(file=write(text=text))
