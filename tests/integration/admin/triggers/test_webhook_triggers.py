"""Signed webhooks launch launch plans, over HTTP: once per id, and only if their sender has the key."""

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from flyteidl.core import types_pb2
from google.protobuf import json_format
from pydantic import ByteSize, SecretStr
from sqlalchemy import text

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.firing import delivery, signatures, webhooks
from flytetemporal.cli.dev import ports
from flytetemporal.cli.serving import http_port
from flytetemporal.config.admin import AdminSettings
from flytetemporal.config.triggers import TriggerSettings
from flytetemporal.rpc import gateway
from flytetemporal.storage.blobs import BlobStore
from scripts.s3_server import S3Server
from tests.fixtures import triggered
from tests.fixtures.engine import RecordingEngine
from tests.fixtures.registrations import DOMAIN, PROJECT, STR, integer
from tests.fixtures.triggered import active, events

KEY = b"0123456789abcdef0123456789abcdef"
OTHER = b"another key of thirty-two bytes."
LIMIT = 1000
PATH = f"/api/v1/triggers/{PROJECT}/{DOMAIN}/train/t"
FIELDS = {
    "n": types_pb2.LiteralType(simple=types_pb2.INTEGER),
    "s": STR,
    "at": types_pb2.LiteralType(simple=types_pb2.DATETIME),
    "all": types_pb2.LiteralType(simple=types_pb2.STRUCT),
    "names": types_pb2.LiteralType(collection_type=STR),
}
TRIGGER = {
    "name": "t",
    "webhook": "github",
    "inputs": {
        "a": "body.commits.1.id",
        "n": "body.n",
        "s": "delivery",
        "at": "time",
        "all": "body",
        "names": "body.names",
    },
}
BODY = {"n": 3, "commits": [{"id": 1}, {"id": 2}], "names": ["x", "\u00fc"], "more": {"deep": [None, True, 0.5]}}


@dataclass(frozen=True)
class Sender:
    """Sends webhooks to a server on a port of its own."""

    http: httpx.AsyncClient

    async def send(
        self, body: object = BODY, delivery_id: str = "d1", key: bytes = KEY, path: str = PATH, **headers: str
    ) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        seconds = str(int(time.time()))
        signed = {
            "webhook-id": delivery_id,
            "webhook-timestamp": seconds,
            "webhook-signature": f"v1,{signatures.signature(delivery_id, seconds, content, key)}",
            "content-type": "application/json",
        }
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(path, content=content, headers=signed | named)


@pytest.fixture
def deps(deps: Dependencies) -> Dependencies:
    keys = {"github": SecretStr(base64.b64encode(KEY).decode())}
    return replace(deps, triggers=TriggerSettings(webhook_keys=keys, webhook_body_bytes=ByteSize(LIMIT)))


@contextlib.asynccontextmanager
async def serving(deps: Dependencies) -> AsyncIterator[Sender]:
    settings = AdminSettings(http_port=ports.free())
    app = gateway.http_app([], settings, webhooks.routes(deps))
    async with (
        http_port.serving(app, settings),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.http_port}", timeout=60) as http,
    ):
        yield Sender(http)


@pytest.fixture
async def sender(deps: Dependencies) -> AsyncIterator[Sender]:
    await triggered.register_workflows(deps)
    await active(deps, "train", [TRIGGER], inputs=FIELDS)
    async with serving(deps) as sender:
        yield sender


async def count(deps: Dependencies) -> int:
    """Return the number of executions."""
    async with deps.sessions() as session:
        return int((await session.execute(text("SELECT count(*) FROM executions"))).scalar_one())


async def test_a_signed_webhook_launches_the_launch_plan_with_parts_of_its_body(
    deps: Dependencies, sender: Sender
) -> None:
    answer = await sender.send()

    assert answer.status_code == 200
    assert answer.json()["state"] == "LAUNCHED"
    (event,) = await events(deps, "train")
    assert event.id == "d1"
    assert event.execution_id.name == answer.json()["execution_id"]["name"]
    inputs = await triggered.inputs_of(deps, event.execution_id)
    assert inputs["a"] == integer(2)
    assert inputs["n"] == integer(3)
    assert inputs["s"].scalar.primitive.string_value == "d1"
    assert inputs["at"].scalar.primitive.datetime == event.occurred_at
    assert json_format.MessageToDict(inputs["all"].scalar.generic)["more"] == BODY["more"]
    assert [one.scalar.primitive.string_value for one in inputs["names"].collection.literals] == ["x", "\u00fc"]


async def test_a_webhook_that_is_sent_again_launches_nothing_again(deps: Dependencies, sender: Sender) -> None:
    answers = await asyncio.gather(*(sender.send() for _ in range(8)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["execution_id"]["name"] for answer in answers}) == 1
    assert await count(deps) == 1
    assert len(await events(deps, "train")) == 1

    # Its event is forgotten, and its sender repeats it.
    async with deps.sessions.begin() as session:
        await session.execute(text("DELETE FROM trigger_events"))
    assert (await sender.send()).json()["state"] == "LAUNCHED"
    assert await count(deps) == 1


async def test_each_id_launches_its_own_execution(deps: Dependencies, sender: Sender) -> None:
    for delivery_id in ("d1", "d2"):
        await sender.send(delivery_id=delivery_id)

    assert await count(deps) == 2


async def test_the_same_id_with_another_body_is_refused(deps: Dependencies, sender: Sender) -> None:
    await sender.send()

    answer = await sender.send({**BODY, "n": 4})

    assert answer.status_code == 409
    assert "delivery [d1] was received before with another body" in answer.json()["message"]
    assert await count(deps) == 1


async def test_a_webhook_that_is_not_signed_with_the_key_is_refused(deps: Dependencies, sender: Sender) -> None:
    recorded = await sender.send(path="/nowhere")
    answers = [
        await sender.send(key=OTHER),
        await sender.send(webhook_id="d2"),
        await sender.send(webhook_timestamp=str(int(time.time()) - 1)),
        await sender.send(webhook_signature=""),
        await sender.send(webhook_timestamp="0"),
    ]
    old = str(int(time.time()) - 301)
    body = json.dumps(BODY).encode()
    signature = f"v1,{signatures.signature('d1', old, body, KEY)}"
    answers.append(await sender.send(webhook_timestamp=old, webhook_signature=signature))

    assert recorded.status_code == 404
    assert [answer.status_code for answer in answers] == [401] * len(answers)
    assert "sign it again" in answers[-1].json()["message"]
    assert await events(deps, "train") == []


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(deps: Dependencies, sender: Sender) -> None:
    answer = await sender.send({**BODY, "s": "x" * LIMIT})

    assert answer.status_code == 413
    assert "FLYTETEMPORAL_TRIGGERS__WEBHOOK_BODY_BYTES" in answer.json()["message"]
    assert await events(deps, "train") == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'"\\ud800"', b"[" * 900])
async def test_a_body_that_is_not_json_is_refused(deps: Dependencies, sender: Sender, body: bytes) -> None:
    answer = await sender.send(body)

    assert answer.status_code == 400
    assert "the body is not JSON" in answer.json()["message"]
    assert await events(deps, "train") == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"n": "three"}, "[body.n] is no simple:INTEGER, which the input [n] is"),
        ({"commits": [{"id": 1}]}, "the event has no [body.commits.1.id] for the input [a]"),
        ({"commits": "none"}, "the event has no [body.commits.1.id] for the input [a]"),
        ({"names": [1]}, "[body.names] is no collection_type:{simple:STRING}"),
        ({"more": float("nan")}, "nan cannot be part of a Struct"),
        ({"n": 10**30}, "[body.n] is no simple:INTEGER"),
        ({"more": json.loads('{"a":' * 40 + "1" + "}" * 40)}, "a value is nested too deeply"),
    ],
)
async def test_a_body_without_what_the_inputs_need_is_a_failure_that_is_recorded(
    deps: Dependencies, sender: Sender, changed: dict[str, Any], says: str
) -> None:
    answer = await sender.send({**BODY, **changed})

    assert answer.status_code == 400
    assert answer.json()["state"] == "FAILED"
    assert answer.json()["execution_id"] is None  # There is none.
    (event,) = await events(deps, "train")
    assert says in event.message
    assert await count(deps) == 0


async def test_webhooks_of_a_version_that_is_not_active_are_not_found(deps: Dependencies, sender: Sender) -> None:
    await triggered.set_state(deps, "train", state=triggered.INACTIVE)

    answer = await sender.send()

    assert answer.status_code == 404
    assert "no active version of launch plan train has a webhook trigger t" in answer.json()["message"]


async def test_a_success_trigger_takes_no_webhooks(deps: Dependencies, sender: Sender) -> None:
    await active(deps, "after", [{"name": "t", "success": "load", "inputs": {"a": "outputs.o0"}}])

    assert (await sender.send(path=PATH.replace("train", "after"))).status_code == 404


async def test_a_launch_plan_whose_name_has_a_slash_takes_webhooks(deps: Dependencies, sender: Sender) -> None:
    await active(deps, "team/train", [{"name": "t", "webhook": "github", "inputs": {"a": "body.n"}}])

    assert (await sender.send(path=PATH.replace("train", "team/train"))).status_code == 200


async def test_a_launch_while_temporal_is_down_is_started_later(
    deps: Dependencies, sender: Sender, engine: RecordingEngine
) -> None:
    engine.down = True

    assert (await sender.send()).json()["state"] == "LAUNCHED"

    assert await count(deps) == 1


async def test_a_webhook_that_cannot_be_launched_now_is_launched_by_a_later_round(
    deps: Dependencies, sender: Sender, s3_server: S3Server
) -> None:
    """The store of its inputs is down."""
    deps = replace(deps, blobs=BlobStore(f"{s3_server.root}/webhooks", s3_server.options()))
    with s3_server.gone():
        async with serving(deps) as remote:
            answer = await remote.send()
    assert (answer.status_code, answer.json()["state"]) == (202, "PENDING")
    assert "the object store does not answer" in answer.json()["message"]

    async with deps.sessions.begin() as session:
        await session.execute(text("UPDATE trigger_events SET next_try_at = now()"))
    assert (await delivery.deliveries(deps)).counts == {"trigger_launched": 1}

    assert (await sender.send()).json()["state"] == "LAUNCHED"
    assert await count(deps) == 1
