from pathlib import Path

import pytest
import yaml

from flytetemporal.cli.dev import client_config
from flytetemporal.cli.errors import CommandError

WANTED = client_config.settings(8089, 8088)


def backups(path: Path) -> list[Path]:
    return list(path.parent.glob("*.bak"))


def test_a_missing_file_is_written_with_its_folder(tmp_path: Path) -> None:
    path = tmp_path / ".flyte" / "config.yaml"

    client_config.merge(path, WANTED)

    content = yaml.safe_load(path.read_text())
    assert content["admin"] == {"endpoint": "dns:///localhost:8089", "insecure": True}
    assert backups(path) == []


def test_a_file_that_points_elsewhere_is_changed_and_backed_up(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    before = "# my cluster\nadmin:\n  endpoint: dns:///flyte.example.com\n  authType: Pkce\nlogger:\n  level: 5\n"
    path.write_text(before)

    message = client_config.merge(path, WANTED)

    content = yaml.safe_load(path.read_text())
    assert content["admin"] == {"endpoint": "dns:///localhost:8089", "insecure": True, "authType": "Pkce"}
    assert content["logger"] == {"level": 5}
    (backup,) = backups(path)
    assert backup.read_text() == before
    assert backup.name in message


def test_a_file_that_already_points_here_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    console, admin = "{endpoint: 'http://localhost:8088'}", "{endpoint: 'dns:///localhost:8089', insecure: true}"
    text = f"# mine\nconsole: {console}\nadmin: {admin}\n"
    path.write_text(text)

    client_config.merge(path, WANTED)

    assert path.read_text() == text
    assert backups(path) == []


def test_moving_our_own_file_to_other_ports_needs_no_backup(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    client_config.merge(path, WANTED)

    client_config.merge(path, client_config.settings(1234, 5678))

    assert yaml.safe_load(path.read_text())["admin"]["endpoint"] == "dns:///localhost:1234"
    assert backups(path) == []


@pytest.mark.parametrize("text", ["- a\n- list\n", "admin: [unclosed\n"])
def test_a_file_that_is_not_a_mapping_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)

    with pytest.raises(CommandError, match=r"--no-write-config"):
        client_config.merge(path, WANTED)

    assert path.read_text() == text


def test_an_environment_variable_that_overrules_the_file_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTECTL_CONFIG", "/elsewhere.yaml")

    assert client_config.overruled_by() == "FLYTECTL_CONFIG=/elsewhere.yaml"
