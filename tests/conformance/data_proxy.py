"""The data proxy: values by their ``flyte://`` URI, uploads and downloads through signed links."""

import tempfile
from pathlib import Path

from case import Case, Run
from flytekit import task, workflow
from flytekit.types.file import FlyteFile


@task
def shout(file: FlyteFile) -> str:
    return Path(file.download()).read_text().upper()


@task
def write(text: str) -> FlyteFile:
    file = FlyteFile.new_remote_file("written.txt")
    with file.open("w") as opened:
        opened.write(text)
    return file


@workflow
def through_a_file(text: str) -> (str, FlyteFile):
    written = write(text=text)
    return shout(file=written), written


def has_addresses(run: Run) -> None:
    base = f"flyte://v1/{run.id.project}/{run.id.domain}/{run.id.name}/n1"
    assert run.remote.get(f"{base}/o/o0").scalar.primitive.string_value == "HELLO"
    assert run.remote.get(f"{base}/0/o").get("o0", str) == "HELLO"


def can_be_downloaded(run: Run) -> None:
    execution = run.remote.sync_execution(run.remote.fetch_execution(name=run.id.name))
    with tempfile.TemporaryDirectory() as folder:
        run.remote.download(execution.outputs, folder, recursive=True)
        texts = [path.read_text() for path in Path(folder).rglob("*") if path.is_file() and path.suffix == ".txt"]
        assert "hello" in texts
        md5, uri = run.remote.upload_file(Path(__file__))
        assert Path(uri).read_text() == Path(__file__).read_text()
        assert len(md5) == 16


class SomeFile:
    """Equal to every file."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FlyteFile)

    __hash__ = None


def by_address_and_by_link(run: Run) -> None:
    has_addresses(run)
    can_be_downloaded(run)


CASES = [Case(through_a_file, {"text": "hello"}, {"o0": "HELLO", "o1": SomeFile()}, check=by_address_and_by_link)]
