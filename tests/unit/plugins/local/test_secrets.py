import stat
from pathlib import Path

import pytest
from flyteidl.core import security_pb2

from flytetemporal.plugins.local.secrets import SecretStore
from flytetemporal.plugins.protocol import Rejected

Secret = security_pb2.Secret


@pytest.fixture
def store(tmp_path: Path) -> SecretStore:
    for name, content in (("db/password", b"hunter2"), ("tls/key", b"\xff\xfe"), ("db/v2/password", b"newer")):
        path = tmp_path / "store" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return SecretStore(tmp_path / "store", {"_FSEC_API_TOKEN": "from the environment", "PATH": "/bin"})


def test_a_task_that_requests_no_secret_gets_no_variable(store: SecretStore, tmp_path: Path) -> None:
    assert store.deliver([], tmp_path / "given") == {}


@pytest.mark.parametrize(
    ("secret", "variable", "value"),
    [
        (Secret(group="DB", key="Password"), "_FSEC_DB_PASSWORD", "hunter2"),
        (Secret(group="db", group_version="v2", key="password"), "_FSEC_DB_V2_PASSWORD", "newer"),
        (Secret(group="api", key="token", mount_requirement="ENV_VAR"), "_FSEC_API_TOKEN", "from the environment"),
    ],
)
def test_a_text_becomes_a_variable(
    store: SecretStore, tmp_path: Path, secret: security_pb2.Secret, variable: str, value: str
) -> None:
    given = store.deliver([secret], tmp_path / "given")

    assert given[variable] == value
    assert given["FLYTE_SECRETS_ENV_PREFIX"] == "_FSEC_"
    assert "PATH" not in given


def test_a_file_is_written_for_the_task_alone(store: SecretStore, tmp_path: Path) -> None:
    secret = Secret(group="db", key="password", mount_requirement="FILE", env_var="PASSWORD_FILE")

    given = store.deliver([secret], tmp_path / "given")

    path = Path(given["PASSWORD_FILE"])
    assert path == tmp_path / "given" / "db" / "password"
    assert given["FLYTE_SECRETS_DEFAULT_DIR"] == str(tmp_path / "given")
    assert path.read_bytes() == b"hunter2"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "_FSEC_DB_PASSWORD" not in given


def test_a_variable_of_the_tasks_own_gets_the_value(store: SecretStore, tmp_path: Path) -> None:
    given = store.deliver([Secret(group="api", key="token", env_var="TOKEN")], tmp_path / "given")

    assert given["TOKEN"] == "from the environment"


def test_binary_secrets_become_files(store: SecretStore, tmp_path: Path) -> None:
    store.deliver([Secret(group="tls", key="key")], tmp_path / "given")

    assert (tmp_path / "given/tls/key").read_bytes() == b"\xff\xfe"
    with pytest.raises(Rejected, match="request it as a file"):
        store.deliver([Secret(group="tls", key="key", mount_requirement="ENV_VAR")], tmp_path / "given")


def test_a_secret_that_is_not_there_is_named_with_its_places(store: SecretStore, tmp_path: Path) -> None:
    with pytest.raises(Rejected) as caught:
        store.deliver([Secret(group="db", key="nothing")], tmp_path / "given")

    assert caught.value.code == "SecretNotFound"
    assert "db/nothing" in caught.value.message
    assert "_FSEC_DB_NOTHING" in caught.value.message
    assert str(tmp_path / "store/db/nothing") in caught.value.message


@pytest.mark.parametrize("group", ["", "..", "a/b", "."])
def test_a_name_cannot_lead_elsewhere(store: SecretStore, tmp_path: Path, group: str) -> None:
    with pytest.raises(Rejected, match="is not a valid name"):
        store.deliver([Secret(group=group, key="" if not group else "key")], tmp_path / "given")


def test_variables_name_the_folder_as_the_task_sees_it(store: SecretStore, tmp_path: Path) -> None:
    wanted = Secret(group="tls", key="key", mount_requirement="FILE", env_var="KEY_FILE")

    given = store.deliver([wanted], tmp_path / "given", "/etc/secrets")

    assert (given["FLYTE_SECRETS_DEFAULT_DIR"], given["KEY_FILE"]) == ("/etc/secrets", "/etc/secrets/tls/key")
    assert (tmp_path / "given" / "tls" / "key").read_bytes() == b"\xff\xfe"
