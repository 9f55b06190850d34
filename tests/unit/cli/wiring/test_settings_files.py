"""Settings from YAML files: what they set, which errors name which line, and what is never read."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from flytetemporal.cli import main
from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.wiring import configuration
from flytetemporal.cli.wiring.settings_files import documents, merging


def written(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(CommandError) as refused:
        configuration.load([written(folder, "a.yaml", text)])
    return refused.value.message


def test_later_files_win_key_by_key_and_lists_are_replaced(tmp_path: Path) -> None:
    first = "admin: {grpc_port: 1, http_port: 2, domains: [a, b]}\nstorage: {options: {key: x, secret: y}}\n"
    second = "admin:\n  http_port: 3\n  domains: [c]\nstorage: {options: {secret: z}}\ntemporal:\n"
    files = [written(tmp_path, "1.yaml", first), written(tmp_path, "2.yaml", second)]

    found = configuration.load(files)

    assert (found.admin.grpc_port, found.admin.http_port, found.admin.domains) == (1, 3, ("c",))
    assert found.storage.options == {"key": "x", "secret": "z"}


def test_the_files_of_a_pattern_are_read_by_name(tmp_path: Path) -> None:
    written(tmp_path, "b.yaml", "admin: {grpc_port: 2}")
    written(tmp_path, "a.yaml", "admin: {grpc_port: 1}")

    assert configuration.load([f"{tmp_path}/*.yaml"]).admin.grpc_port == 2
    assert configuration.load([f"{tmp_path}/*.yaml", f"{tmp_path}/a.yaml"]).admin.grpc_port == 1


def test_variables_win_over_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(
        tmp_path, "a.yaml", "admin: {grpc_port: 1, http_port: 2}\nstorage: {options: {key: x, anon: 'true'}}"
    )
    monkeypatch.setenv("FLYTETEMPORAL_ADMIN__GRPC_PORT", "9")
    monkeypatch.setenv("FLYTETEMPORAL_STORAGE__OPTIONS", '{"key": "from the environment"}')

    found = configuration.load([file])

    assert (found.admin.grpc_port, found.admin.http_port) == (9, 2)
    assert found.storage.options == {"key": "from the environment", "anon": "true"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("admin:\n  grpcPort: 1", "a.yaml:2: there is no key admin.grpcPort; did you mean admin.grpc_port?"),
        ("admin:\n  max-mesage-bytes: 1", "did you mean admin.max_message_bytes?"),
        ("databse: {}", "a.yaml:1: there is no key databse; did you mean database?"),
        ("issuer: x", "did you mean auth.oidc.issuer or auth.server.issuer?"),
        (
            "auth:\n  oidc:\n    clientId: x",
            "a.yaml:3: there is no key auth.oidc.clientId; did you mean auth.oidc.client",
        ),
        ("auth: {server: {clients: {ci: {secret-hash: x}}}}", "did you mean auth.server.clients.ci.secret_hash?"),
        ("zzzzzzzz: 1", "there is no key zzzzzzzz; see docs/guide/configuration.md"),
        ("admin: 7", "a.yaml:1: admin is a section; give a mapping of its keys"),
    ],
)
def test_a_mistyped_key_is_named_with_its_line_and_the_nearest_right_one(
    tmp_path: Path, text: str, problem: str
) -> None:
    assert problem in refusal(tmp_path, text)


def test_all_mistyped_keys_of_all_files_are_named_at_once(tmp_path: Path) -> None:
    files = [written(tmp_path, "1.yaml", "a: 1\nadmin: {b: 2}"), written(tmp_path, "2.yaml", "c: 3")]

    with pytest.raises(CommandError) as refused:
        configuration.load(files)

    assert len(refused.value.message.splitlines()) == 4


def test_a_wrong_value_is_named_with_file_and_line(tmp_path: Path) -> None:
    assert "a.yaml:3: admin.http_port: Input should be a valid integer" in refusal(
        tmp_path, "admin:\n  grpc_port: 1\n  http_port: many"
    )
    assert "a.yaml:1: notifications: " in refusal(tmp_path, "notifications: {sender: smtp}")


def test_a_wrong_value_of_a_variable_is_named_by_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTETEMPORAL_ADMIN__HTTP_PORT", "many")

    assert "  FLYTETEMPORAL_ADMIN__HTTP_PORT: " in refusal(tmp_path, "admin: {http_port: 1}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("admin: [", ": not YAML: "),
        ("- admin", "is no mapping"),
        ("text", "is no mapping"),
        ("admin:\n  grpc_port: 1\n  grpc_port: 2", "a.yaml:3: key grpc_port occurs twice"),
        ("admin: {}\nadmin: {}", "a.yaml:2: key admin occurs twice"),
        ("1: x", "a.yaml:1: a key is no text"),
        ("? [a, b]\n: x", "a key is no text"),
        ("admin: &x {grpc_port: 1}\ncatalog: *x", "a.yaml:2: aliases such as *x are not read"),
        ("admin: {}\n---\nadmin: {}", "a second document starts"),
        ("admin: !!python/object/apply:os.getcwd []", "not valid"),
        ("admin: {grpc_port: !!python/name:os.system x}", "a.yaml:1: not YAML"),
        ("admin: {grpc_port: 2026-99-99}", "is not YAML"),
        ("[" * 5000, "nested more than 32 levels"),
        ("- " * 5000, "nested more than 32 levels"),
        ("? " * 5000, "nested more than 32 levels"),
        ("\n".join(" " * depth + "a:" for depth in range(200)), "nested more than 32 levels"),
        ("# " + "x" * documents.MAX_BYTES, "more than 262144 bytes"),
        ("admin: {host: \x00}", "a.yaml"),
    ],
)
def test_what_is_no_plain_mapping_of_bounded_size_is_refused_in_one_sentence(
    tmp_path: Path, text: str, problem: str
) -> None:
    assert problem in refusal(tmp_path, text)


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "admin:\n", "{}"])
def test_a_file_may_say_nothing(tmp_path: Path, text: str) -> None:
    assert configuration.load([written(tmp_path, "a.yaml", text)]).model_dump() == configuration.load().model_dump()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"admin: {host: \xe4}")

    for pattern, problem in (
        (f"{tmp_path}/none.yaml", "there is no configuration file"),
        (f"{tmp_path}/*.yml", "there is no configuration file"),
        (str(tmp_path), "is a folder"),
        (f"{tmp_path}/latin.yaml", "is not UTF-8"),
    ):
        with pytest.raises(CommandError, match=problem):
            configuration.load([pattern])


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    for number in range(documents.MAX_FILES + 1):
        written(tmp_path, f"{number}.yaml", "")

    with pytest.raises(CommandError, match="more than 100"):
        configuration.load([f"{tmp_path}/*.yaml"])


def test_every_place_of_a_value_is_known(tmp_path: Path) -> None:
    first = written(tmp_path, "1.yaml", "storage:\n  root: /x\n  options:\n    key: x\n    secret: y")
    second = written(tmp_path, "2.yaml", "storage: {options: {secret: z}}")

    found = merging.merged([first, second])

    assert found.places_of(("storage", "root")) == [f"{first}:2"]
    assert found.places_of(("storage", "options")) == [f"{first}:4", f"{second}:1"]
    assert found.places_of(("admin", "host")) == []


@pytest.mark.parametrize("name", ["admin", "catalog", "worker", "control-worker", "migrate", "dev"])
def test_a_command_refuses_a_wrong_file_before_it_starts_anything(tmp_path: Path, name: str) -> None:
    file = written(tmp_path, "a.yaml", "admin: {grpcPort: 1}")
    home = ["--home", str(tmp_path / "home")] if name == "dev" else []

    result = CliRunner().invoke(main.main, [name, "--config", file, *home])

    assert result.exit_code == 1
    assert f"{file}:1: there is no key admin.grpcPort" in result.output
    assert not (tmp_path / "home").exists()


def test_a_development_stack_refuses_tls_in_files(tmp_path: Path) -> None:
    file = written(tmp_path, "a.yaml", "temporal: {tls: true}")

    result = CliRunner().invoke(main.main, ["dev", "--config", file, "--home", str(tmp_path / "home")])

    assert result.exit_code == 1
    assert "remove temporal.tls from the configuration files" in result.output
