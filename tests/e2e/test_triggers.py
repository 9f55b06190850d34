"""Launch plans run when others succeed and when webhooks arrive: registered with stock tools, on the whole stack."""

import json
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from flyteidl.admin import execution_pb2, launch_plan_pb2
from flyteidl.core import identifier_pb2
from pydantic import SecretStr

from flytetemporal.admin.firing import signatures
from flytetemporal.config.webhook_keys import signing_key
from tests.e2e.client import DOMAIN, PROJECT, Client, Phase, connected
from tests.fixtures.stack import WEBHOOK_KEY, RunningStack
from tests.fixtures.waiting import wait_until

WATCHING = """
from flytekit import Annotations, LaunchPlan, task, workflow
from flytekit.types.file import FlyteFile

TRIGGERS = "[{{name: arrived, prefix: '{folder}', suffix: .csv, inputs: {{file: uri}}}}]"


@task
def lines(file: FlyteFile) -> int:
    with open(file) as opened:
        return len(opened.readlines())


@workflow
def counting(file: FlyteFile) -> int:
    return lines(file=file)


count = LaunchPlan.get_or_create(
    counting, "count_{version}", annotations=Annotations({{"flytetemporal.io/triggers": TRIGGERS}})
)
"""
EXAMPLE = Path(__file__).parents[2] / "examples" / "triggered.py"


@pytest.fixture
def client(stack: RunningStack) -> Iterator[Client]:
    with connected(stack) as client:
        yield client


@pytest.fixture
def registered(client: Client, tmp_path: Path) -> Iterator[str]:
    """Register and activate the example with pyflyte; return the version."""
    version = secrets.token_hex(4)
    shutil.copy(EXAMPLE, tmp_path)
    done = client.stack.pyflyte(
        "register", "-p", PROJECT, "-d", DOMAIN, "--version", version, "--activate-launchplans", EXAMPLE.name,
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    yield version
    request = launch_plan_pb2.LaunchPlanUpdateRequest(id=plan("sum_up", version), state=launch_plan_pb2.INACTIVE)
    client.admin.UpdateLaunchPlan(request)


def plan(name: str, version: str) -> identifier_pb2.Identifier:
    return identifier_pb2.Identifier(
        resource_type="LAUNCH_PLAN", project=PROJECT, domain=DOMAIN, name=name, version=version
    )


def get(client: Client, *arguments: str) -> dict[str, Any]:
    """Return what ``flytetemporal get`` prints as JSON."""
    command = [str(Path(sys.executable).with_name("flytetemporal")), "get", *arguments, "-p", PROJECT, "-d", DOMAIN]
    endpoint = ["--endpoint", client.stack.grpc_endpoint, "-o", "json"]
    done = subprocess.run([*command, *endpoint], capture_output=True, text=True, check=True, timeout=120)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def launched(client: Client, name: str) -> execution_pb2.Execution:
    return client.wait(identifier_pb2.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name=name))


def test_a_success_launches_the_launch_plan_that_waits_for_it(client: Client, registered: str) -> None:
    source = f"load{secrets.token_hex(6)}"
    request = execution_pb2.ExecutionCreateRequest(
        project=PROJECT,
        domain=DOMAIN,
        name=source,
        spec=execution_pb2.ExecutionSpec(launch_plan=plan("load", registered)),
    )
    client.wait(client.admin.CreateExecution(request).id)

    def event() -> dict[str, Any]:
        events = get(client, "trigger-events", "sum_up", "after-load").get("events", [])
        return next((found for found in events if found["id"] == f"{PROJECT}:{DOMAIN}:{source}"), {})

    wait_until(lambda: event().get("state") == "LAUNCHED")

    execution = launched(client, event()["executionId"]["name"])
    assert execution.closure.phase == Phase.SUCCEEDED
    assert execution.spec.metadata.mode == execution_pb2.ExecutionMetadata.TRIGGER
    assert execution.spec.metadata.reference_execution.name == source
    assert str(client.outputs(execution.id)["o0"]).startswith("6 rows at 20")


def test_a_signed_webhook_launches_the_launch_plan_once(client: Client, registered: str) -> None:
    triggers = get(client, "triggers", "sum_up")["triggers"]
    path = next(found["source"] for found in triggers if found["name"] == "pushed")
    delivery, seconds = f"build-{secrets.token_hex(6)}", str(int(time.time()))
    body = b'{"build": {"rows": 41}}'
    signature = signatures.signature(delivery, seconds, body, signing_key(SecretStr(WEBHOOK_KEY)))
    headers = {"webhook-id": delivery, "webhook-timestamp": seconds, "webhook-signature": f"v1,{signature}"}

    answers = [
        httpx.post(f"{client.stack.http_url}{path}", content=body, headers=headers, timeout=120) for _ in range(2)
    ]
    forged = httpx.post(f"{client.stack.http_url}{path}", content=body + b" ", headers=headers, timeout=120)

    assert [answer.status_code for answer in (*answers, forged)] == [200, 200, 401]
    assert answers[0].json() == answers[1].json()
    execution = launched(client, answers[0].json()["execution_id"]["name"])
    assert execution.closure.phase == Phase.SUCCEEDED
    assert str(client.outputs(execution.id)["o0"]) == "41 rows at 2026-01-01"
    (last,) = (found for found in get(client, "triggers", "sum_up")["triggers"] if found["name"] == "pushed")
    assert last["lastEvent"]["id"] == delivery
    assert last["lastExecution"]["name"] == execution.id.name


def test_a_file_that_is_written_under_a_prefix_launches_the_launch_plan(client: Client, tmp_path: Path) -> None:
    version, folder = secrets.token_hex(4), f"{client.stack.store}/incoming/{secrets.token_hex(4)}"
    (tmp_path / "watching.py").write_text(WATCHING.format(version=version, folder=folder))
    done = client.stack.pyflyte(
        "register", "-p", PROJECT, "-d", DOMAIN, "--version", version, "--activate-launchplans", "watching.py",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr

    incoming = Path(folder.removeprefix("file://"))
    incoming.mkdir(parents=True)
    (incoming / "day.csv").write_text("a\nb\nc\n")
    (incoming / "day.txt").write_text("no csv")

    def event() -> dict[str, Any]:
        return next(iter(get(client, "trigger-events", f"count_{version}", "arrived").get("events", [])), {})

    wait_until(lambda: event().get("state") == "LAUNCHED")

    execution = launched(client, event()["executionId"]["name"])
    assert execution.closure.phase == Phase.SUCCEEDED
    assert client.outputs(execution.id)["o0"] == 3
    assert event()["id"].startswith(f"{folder.removeprefix('file://')}/day.csv@")
    request = launch_plan_pb2.LaunchPlanUpdateRequest(
        id=plan(f"count_{version}", version), state=launch_plan_pb2.INACTIVE
    )
    client.admin.UpdateLaunchPlan(request)
