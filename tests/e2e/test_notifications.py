"""A stack with a mail server and a webhook: stock tools register and launch, the control worker delivers."""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flyteidl.admin import execution_pb2
from flyteidl.core import identifier_pb2, literals_pb2
from standardwebhooks import Webhook

from scripts import background_stack, mail_catcher
from scripts.mail_catcher import Caught
from tests.e2e.client import DOMAIN, PROGRAMS, PROJECT, Client, Phase, connected
from tests.fixtures.http_receiver import Receiver, http_receiver
from tests.fixtures.notified import KEY
from tests.fixtures.stack import RunningStack
from tests.fixtures.waiting import HANG_SECONDS, wait_until


@dataclass
class Surroundings:
    client: Client
    mail: Caught
    webhook: Receiver


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    home = tmp_path_factory.mktemp("notifying") / "home"
    with (
        mail_catcher.catching() as mail,
        http_receiver() as webhook,
        pytest.MonkeyPatch.context() as environment,
    ):
        for name, value in mail.settings.items():
            environment.setenv(name, value)
        environment.setenv("FLYTETEMPORAL_NOTIFICATIONS__WEBHOOK_HOSTS", json.dumps([webhook.url]))
        environment.setenv("FLYTETEMPORAL_NOTIFICATIONS__WEBHOOK_KEYS", json.dumps({"default": KEY}))
        with background_stack.running(home) as state, connected(RunningStack.of(home, state)) as client:
            yield Surroundings(client, mail, webhook)


def command(client: Client, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flytetemporal.cli.main", *arguments, "--home", str(client.stack.home)],
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )


def registered(surroundings: Surroundings, folder: Path) -> str:
    """Register the program with pyflyte, with the address of the receiver; return its version."""
    program, version = (PROGRAMS / "notified.py").read_text(), secrets.token_hex(4)
    (folder / "notified.py").write_text(program.replace("WEBHOOK", f"{surroundings.webhook.url}/flyte"))
    done = surroundings.client.stack.pyflyte(
        "register", "-p", PROJECT, "-d", DOMAIN, "--version", version, "notified.py", cwd=folder
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return version


def test_a_failed_execution_is_reported_by_email_and_to_its_webhook(surroundings: Surroundings, tmp_path: Path) -> None:
    client, name = surroundings.client, f"e2e{secrets.token_hex(6)}"
    plan = identifier_pb2.Identifier(
        resource_type="LAUNCH_PLAN",
        project=PROJECT,
        domain=DOMAIN,
        name="watched_division",
        version=registered(surroundings, tmp_path),
    )
    zero = literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=0)))
    client.admin.CreateExecution(
        execution_pb2.ExecutionCreateRequest(
            project=PROJECT,
            domain=DOMAIN,
            name=name,
            spec=execution_pb2.ExecutionSpec(launch_plan=plan),
            inputs=literals_pb2.LiteralMap(literals={"by": zero}),
        )
    )

    execution_id = identifier_pb2.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name=name)
    assert client.wait(execution_id).closure.phase == Phase.FAILED
    wait_until(lambda: bool(surroundings.mail.emails and surroundings.webhook.received))

    (email,), (call,) = surroundings.mail.emails, surroundings.webhook.received
    assert email["To"] == "ada@example.com"
    assert email["Subject"] == f"Execution {PROJECT}/{DOMAIN}/{name} has failed"
    assert "ZeroDivisionError" in email.get_content()
    document = Webhook(KEY).verify(call.body, {**call.headers})
    assert document["data"]["execution"]["name"] == name
    wait_until(lambda: command(client, "describe", name).stdout.count("DELIVERED") == 2)


def test_a_test_notification_says_what_became_of_it(surroundings: Surroundings) -> None:
    client = surroundings.client

    by_email = command(client, "notify", "--test", "--email", "bob@example.com")
    to_webhook = command(client, "notify", "--test", "--webhook", f"{surroundings.webhook.url}/test", "-o", "json")

    assert (by_email.returncode, to_webhook.returncode) == (0, 0), by_email.stderr + to_webhook.stderr
    assert "DELIVERED" in by_email.stdout
    assert json.loads(to_webhook.stdout)["state"] == "DELIVERED"
    assert surroundings.mail.emails[-1]["To"] == "bob@example.com"
    assert surroundings.webhook.received[-1].path == "/test"


def test_a_test_notification_that_fails_says_why(surroundings: Surroundings) -> None:
    surroundings.webhook.answers = [(403, b"no")]
    refused = command(surroundings.client, "notify", "--test", "--webhook", f"{surroundings.webhook.url}/test")
    elsewhere = command(surroundings.client, "notify", "--test", "--webhook", "https://hooks.example.com/")
    nowhere = command(surroundings.client, "notify", "--test")

    assert (refused.returncode, elsewhere.returncode, nowhere.returncode) == (1, 1, 2)
    assert "was not delivered: the webhook on 127.0.0.1" in refused.stderr
    assert "webhooks may not call hooks.example.com" in elsewhere.stderr
    assert "give either --email ADDRESS or --webhook URL" in nowhere.stderr
