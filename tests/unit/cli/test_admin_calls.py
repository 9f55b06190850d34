import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import click
import grpc
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from flytetemporal.cli import admin_calls, endpoints
from flytetemporal.cli.commands import why
from flytetemporal.cli.dev import state_folder
from flytetemporal.cli.dev.state_folder import StateFolder
from flytetemporal.cli.endpoints import Endpoint
from flytetemporal.cli.errors import CommandError
from flytetemporal.contracts.v1 import operations_pb2


@click.command()
@admin_calls.with_admin
def echo(admin: admin_calls.Admin) -> None:
    identifier = admin.execution_id("e1")
    click.echo(f"{admin.endpoint.target} {identifier.project}/{identifier.domain}/{identifier.name}")


def test_a_running_stack_takes_precedence_over_the_client_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("admin:\n  endpoint: dns:///flyte.example.com:443\n")
    monkeypatch.setenv("FLYTECTL_CONFIG", str(path))
    state_folder.write_state(StateFolder(tmp_path), {"pid": os.getpid(), "grpc_endpoint": "localhost:18089"})

    assert endpoints.find(tmp_path).target == "localhost:18089"


def test_the_default_configuration_file_is_read_unless_another_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".flyte").mkdir()
    (tmp_path / ".flyte" / "config.yaml").write_text("admin:\n  endpoint: flyte.example.com:81\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("FLYTECTL_CONFIG", raising=False)

    assert endpoints.find(tmp_path).target == "flyte.example.com:81"


@pytest.mark.parametrize("given", [["--home", "{folder}"], ["--endpoint", "localhost:18089"]])
def test_a_command_calls_the_stack_or_the_endpoint_that_is_named(tmp_path: Path, given: list[str]) -> None:
    state_folder.write_state(StateFolder(tmp_path), {"pid": os.getpid(), "grpc_endpoint": "localhost:18089"})

    done = CliRunner().invoke(echo, [word.format(folder=tmp_path) for word in given])

    assert done.output == "localhost:18089 flytesnacks/development/e1\n"


def test_a_named_folder_without_a_running_stack_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(echo, ["--home", str(tmp_path)])

    assert done.exit_code == 1
    assert f"no stack runs on {tmp_path}" in done.output


def test_the_endpoint_comes_from_the_client_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("admin:\n  endpoint: dns:///flyte.example.com:443\n")
    monkeypatch.setenv("FLYTECTL_CONFIG", str(path))

    assert endpoints.find(tmp_path).target == "flyte.example.com:443"


@pytest.mark.parametrize("content", ["", "storage: {}", "admin: nothing", "admin: {endpoint: }", "- admin"])
def test_without_an_endpoint_in_the_configuration_the_default_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(content)
    monkeypatch.setenv("FLYTECTL_CONFIG", str(path))

    assert endpoints.find(tmp_path) == Endpoint(endpoints.DEFAULT)


def test_an_unreadable_configuration_is_named_in_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("admin: [")
    monkeypatch.setenv("FLYTECTL_CONFIG", str(path))

    with pytest.raises(CommandError, match=r"config\.yaml.*--endpoint"):
        endpoints.find(tmp_path)


def test_an_unreachable_server_is_one_line() -> None:
    with pytest.raises(CommandError, match=r"127\.0\.0\.1:1 does not answer: the connection is refused"):
        admin_calls.call(
            Endpoint("127.0.0.1:1"), why.EXPLAIN, operations_pb2.ExplainRequest(), operations_pb2.ExplainResponse
        )


def test_an_answer_is_printed_line_by_line() -> None:
    answer = operations_pb2.ExplainResponse(
        phase="RUNNING", notes=["no worker polls"], waits=[operations_pb2.Wait(text="n1 waits for n0")], more=3
    )

    assert why.lines("e1", answer) == [
        "e1 is RUNNING",
        "  no worker polls",
        "  n1 waits for n0",
        "  and 3 more nodes; name a node to see it alone",
    ]


@pytest.mark.parametrize(
    ("admin", "secure"),
    [("insecure: true", False), ("insecure: false", True), ("authType: Pkce", True), ("insecure: 'yes'", True)],
)
def test_the_configuration_says_whether_tls_is_used_as_it_does_for_flytes_clients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, admin: str, secure: bool
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"admin:\n  endpoint: dns:///flyte.example.com:443\n  {admin}\n")
    monkeypatch.setenv("FLYTECTL_CONFIG", str(path))

    assert endpoints.find(tmp_path) == Endpoint("flyte.example.com:443", secure=secure)


@contextlib.contextmanager
def tls_server(certificate: Path) -> Iterator[str]:
    """A server that says it is healthy, with a certificate of its own that is also written to ``certificate``."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    certificate.write_bytes(pem)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    server = grpc.server(ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([(private, pem)]))
    server.start()
    try:
        yield f"localhost:{port}"
    finally:
        server.stop(None)


@pytest.mark.parametrize(
    ("trusts", "answers"),
    [("  caCertFilePath: {folder}/ca.pem\n", True), ("  insecureSkipVerify: true\n", True), ("", False)],
    ids=["the named certificate", "any certificate", "known roots only"],
)
def test_a_server_with_tls_is_called_as_the_configuration_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusts: str, answers: bool
) -> None:
    path = tmp_path / "config.yaml"
    monkeypatch.setenv("FLYTECTL_CONFIG", str(path))
    with tls_server(tmp_path / "ca.pem") as target:
        path.write_text(f"admin:\n  endpoint: {target}\n{trusts.format(folder=tmp_path)}")
        request = health_pb2.HealthCheckRequest()
        call = partial(admin_calls.call, endpoints.find(tmp_path), "/grpc.health.v1.Health/Check", request)
        if answers:
            assert call(health_pb2.HealthCheckResponse).status == health_pb2.HealthCheckResponse.SERVING
        else:
            with pytest.raises(CommandError):
                call(health_pb2.HealthCheckResponse)


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    endpoint = Endpoint("localhost:1", secure=True, ca_certificate=str(tmp_path / "none.pem"))

    with pytest.raises(CommandError, match=r"cannot read the certificate .*none\.pem: No such file"):
        endpoint.channel([])


def test_status_and_doctor_find_the_stack_whose_configuration_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "named"
    named.mkdir()
    state_folder.write_state(StateFolder(named), {"pid": os.getpid(), "grpc_endpoint": "localhost:18089"})
    monkeypatch.setenv("FLYTECTL_CONFIG", str(StateFolder(named).client_config))

    found, state = endpoints.running_stack(tmp_path / "default", named=False)
    other, of_other = endpoints.running_stack(tmp_path / "default", named=True)

    assert (found, state and state["grpc_endpoint"]) == (named, "localhost:18089")
    assert (other, of_other) == (tmp_path / "default", None)
