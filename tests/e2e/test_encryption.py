"""A stack that encrypts what it gives to Temporal."""

import asyncio
import base64
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from flyteidl.core import identifier_pb2
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.history.v1 import History
from temporalio.client import Client as TemporalClient

from flytetemporal.cli.views import export_file
from flytetemporal.contracts import encryption, masking
from flytetemporal.idl import naming
from scripts import background_stack
from tests.e2e.client import Client, Phase, connected
from tests.fixtures.stack import RunningStack
from tests.fixtures.waiting import HANG_SECONDS

SECRET = "a-text-that-nobody-else-writes"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("encrypted")
    with pytest.MonkeyPatch.context() as environment:
        keys = {"first": base64.b64encode(secrets.token_bytes(32)).decode()}
        environment.setenv("FLYTETEMPORAL_TEMPORAL__ENCRYPTION_KEYS", json.dumps(keys))
        environment.setenv("FLYTETEMPORAL_TEMPORAL__ENCRYPTION_KEY_ID", "first")
        with (
            (folder / "log").open("wb") as output,
            background_stack.running(folder / "home", output=output) as state,
            connected(RunningStack.of(folder / "home", state)) as opened,
        ):
            yield opened


def history(client: Client, execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> History:
    """Return what Temporal has of an execution."""

    async def fetch() -> History:
        temporal = await TemporalClient.connect(client.stack.temporal_address)
        handle = temporal.get_workflow_handle(naming.temporal_workflow_id(execution_id))
        return History(events=(await handle.fetch_history()).events)

    return asyncio.run(fetch())


def payloads(found: History) -> list[Payload]:
    return [message for message in masking.inside(found) if isinstance(message, Payload)]


def command(client: Client, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "flytetemporal.cli.main", *arguments],
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_temporal_has_no_values_and_its_ui_can_have_them_decoded(client: Client) -> None:
    execution = client.run("confidential", "keeps", "--text", SECRET)

    assert execution.closure.phase == Phase.SUCCEEDED
    assert client.outputs(execution.id) == {"o0": f"{SECRET} again again"}
    stored = history(client, execution.id)
    assert SECRET.encode() not in stored.SerializeToString()
    encrypted = [one for one in payloads(stored) if one.metadata.get("encoding") == encryption.ENCODING]
    answer = httpx.post(
        f"{client.stack.http_url}/codec/decode", json=json_format.MessageToDict(Payloads(payloads=encrypted))
    )
    decoded = json_format.ParseDict(answer.json(), Payloads())
    assert any(SECRET.encode() in payload.data for payload in decoded.payloads)


def test_a_failure_is_shown_to_users_and_not_to_temporal(client: Client) -> None:
    execution = client.run("confidential", "fails", "--text", SECRET)

    assert execution.closure.phase == Phase.FAILED
    assert f"cannot work with {SECRET}" in execution.closure.error.message
    assert SECRET.encode() not in history(client, execution.id).SerializeToString()


@pytest.mark.parametrize(("options", "with_values"), [((), False), (("--with-values",), True)])
def test_an_export_is_not_encrypted_and_replays_without_a_key(
    client: Client, tmp_path: Path, options: tuple[str, ...], with_values: bool
) -> None:
    execution = client.run("confidential", "fails", "--text", SECRET)
    path = tmp_path / "run.zip"
    place = ("--home", str(client.stack.home))
    command(client, "export", execution.id.name, "-O", str(path), *options, *place)
    [exported] = export_file.read(path).runs

    found = History.FromString(exported.history)
    assert not [one for one in payloads(found) if one.metadata.get("encoding") == encryption.ENCODING]
    assert (SECRET.encode() in found.SerializeToString()) == with_values
    assert json.loads(command(client, "replay", str(path), "-o", "json"))["runs"][0]["differs"] is False


def test_a_payload_of_another_key_is_refused_by_its_name(client: Client) -> None:
    foreign = encryption.Cipher({"other": base64.b64encode(bytes(32)).decode()}, "other").encrypted(Payload(data=b"x"))

    answer = httpx.post(
        f"{client.stack.http_url}/codec/decode", json=json_format.MessageToDict(Payloads(payloads=[foreign]))
    )

    assert answer.status_code == 400
    assert "key [other]" in answer.json()["message"]
