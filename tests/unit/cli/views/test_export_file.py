"""Exports come from anybody: what is not one is refused in one line, and nothing is unpacked."""

import io
import json
import stat
import zipfile
from pathlib import Path

import pytest

from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.views import export_file

RUN = {"file": "histories/000.pb", "workflow_id": "p:d:e", "run_id": "r1"}
MANIFEST = {"format": 1, "runs": [RUN]}


def write(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(CommandError) as refused:
        export_file.read(path)
    return refused.value.message


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "e.zip"
    with export_file.written(path) as writer:
        writer.add_document("execution", {"name": "e"})
        with writer.run("p:d:e", "r1") as append:
            append(b"one")
            append(b"two")
        writer.finish({"execution": "p/d/e"})

    export = export_file.read(path)

    assert export.runs == [export_file.Run("p:d:e", "r1", b"onetwo")]
    assert export.manifest["execution"] == "p/d/e"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_exists_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "e.zip"
    path.write_text("mine")

    with pytest.raises(CommandError, match="exists"), export_file.written(path):
        pass

    assert path.read_text() == "mine"


def test_an_export_that_fails_leaves_no_file(tmp_path: Path) -> None:
    def fail() -> None:
        with export_file.written(tmp_path / "e.zip") as writer:
            writer.add_document("execution", {})
            raise CommandError("admin is gone")

    with pytest.raises(CommandError, match="admin is gone"):
        fail()

    assert list(tmp_path.iterdir()) == []


def test_a_history_above_the_limit_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_file, "MAX_HISTORY_BYTES", 10)

    def append_twice() -> None:
        with export_file.written(tmp_path / "e.zip") as writer, writer.run("p:d:e", "r1") as append:
            append(bytes(6))
            append(bytes(6))

    with pytest.raises(CommandError, match="more than 10 bytes"):
        append_twice()

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot write"), export_file.written(tmp_path / "no" / "e.zip"):
        pass


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip at all", b"PK\x03\x04" + bytes(100)])
def test_what_is_no_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "e.zip"
    path.write_bytes(content)

    assert "not a file of flytetemporal export" in refusal(path)


@pytest.mark.parametrize(
    "manifest",
    [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"format": 1}', b'{"format": 1, "runs": [1]}'],
)
def test_a_damaged_manifest_is_refused(tmp_path: Path, manifest: bytes) -> None:
    assert refusal(write(tmp_path / "e.zip", {"manifest.json": manifest}))


def test_a_newer_format_is_named(tmp_path: Path) -> None:
    manifest = json.dumps({**MANIFEST, "format": 2}).encode()

    assert "format 2, this version reads 1" in refusal(write(tmp_path / "e.zip", {"manifest.json": manifest}))


@pytest.mark.parametrize("name", ["../secret.pb", "/etc/passwd", "histories/../../x.pb", "histories/0.pb"])
def test_only_histories_are_read(tmp_path: Path, name: str) -> None:
    manifest = json.dumps({"format": 1, "runs": [{**RUN, "file": name}]}).encode()
    path = write(tmp_path / "e.zip", {"manifest.json": manifest, name: b"content"})

    assert "names no history" in refusal(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_history_that_inflates_beyond_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_file, "MAX_HISTORY_BYTES", 1000)
    runs = [{**RUN, "file": f"histories/00{number}.pb"} for number in range(3)]
    members = {run["file"]: bytes(400) for run in runs}
    manifest = json.dumps({"format": 1, "runs": runs}).encode()

    assert "more than 1000 bytes" in refusal(write(tmp_path / "e.zip", {"manifest.json": manifest, **members}))


def test_a_file_above_the_limit_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_file, "MAX_FILE_BYTES", 10)

    assert "more than 10 bytes" in refusal(write(tmp_path / "e.zip", {"manifest.json": json.dumps(MANIFEST).encode()}))


def test_a_missing_history_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "e.zip", {"manifest.json": json.dumps(MANIFEST).encode()})

    assert "has no histories/000.pb" in refusal(path)


def test_damaged_bytes_are_refused(tmp_path: Path) -> None:
    members = {"manifest.json": json.dumps(MANIFEST).encode(), "histories/000.pb": b"history " * 100}
    whole = write(tmp_path / "e.zip", members).read_bytes()
    start = whole.index(b"histories/000.pb") + len(b"histories/000.pb")
    path = tmp_path / "damaged.zip"
    path.write_bytes(whole[:start] + bytes(8) + whole[start + 8 :])

    assert "damaged" in refusal(path)


def test_another_compression_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "e.zip", {"manifest.json": json.dumps(MANIFEST).encode()}, zipfile.ZIP_BZIP2)

    assert "compressed in another way" in refusal(path)


def test_an_archive_of_many_members_is_refused(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for number in range(export_file.MAX_MEMBERS + 101):
            archive.writestr(str(number), b"")
    path = tmp_path / "e.zip"
    path.write_bytes(content.getvalue())

    assert "too many members" in refusal(path)
