"""Files and directories: written by a task, read by another, given as inputs, written to a chosen URI."""

import os
from pathlib import Path
from typing import List

from case import Case
from flytekit import current_context, task, workflow
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile


def scratch() -> Path:
    return Path(current_context().working_directory)


@task
def write_file(text: str) -> FlyteFile:
    path = scratch() / "f.txt"
    path.write_text(text)
    return FlyteFile(str(path))


@task
def write_files(texts: List[str]) -> List[FlyteFile]:
    paths = [scratch() / f"{index}.txt" for index, _ in enumerate(texts)]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return [FlyteFile(str(path)) for path in paths]


@task
def write_directory(count: int) -> FlyteDirectory:
    folder = scratch() / "d"
    (folder / "below").mkdir(parents=True)
    for number in range(count):
        (folder / "below" / f"{number}.txt").write_text(str(number))
    return FlyteDirectory(str(folder))


@task
def stream(text: str) -> FlyteFile:
    file = FlyteFile.new_remote_file("streamed.txt")
    with file.open("w") as opened:
        opened.write(text)
    return file


@task
def read_file(file: FlyteFile) -> str:
    with open(file) as opened:
        return opened.read()


@task
def read_files(files: List[FlyteFile]) -> str:
    return "".join(Path(file.download()).read_text() for file in files)


@task
def list_directory(directory: FlyteDirectory) -> List[str]:
    return sorted(os.listdir(Path(directory.download()) / "below"))


@workflow
def made(text: str, count: int = 3) -> (str, str, List[str], str):
    return (
        read_file(file=write_file(text=text)),
        read_files(files=write_files(texts=["x", text])),
        list_directory(directory=write_directory(count=count)),
        read_file(file=stream(text=text)),
    )


@workflow
def given(file: FlyteFile) -> str:
    return read_file(file=file)


CASES = [
    Case(made, {"text": "body"}, {"o0": "body", "o1": "xbody", "o2": ["0.txt", "1.txt", "2.txt"], "o3": "body"}),
    Case(given, {"file": FlyteFile(__file__)}, {"o0": Path(__file__).read_text()}),
]
