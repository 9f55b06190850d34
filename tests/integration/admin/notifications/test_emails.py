"""Emails over a real SMTP server, and over HTTP servers that answer as SES and SendGrid document it.

SES and SendGrid are stand-ins: they accept the requests of their public API. Nothing here has reached the real ones.
"""

import json
from pathlib import Path
from typing import Any, Literal

import pytest
from flyteidl.core import execution_pb2

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.notifications.senders.protocol import DELIVERY_HEADER
from tests.fixtures.http_receiver import http_receiver
from tests.fixtures.mail import PASSWORD, USER, MailServer, mail_server, silent_server
from tests.fixtures.notified import Clock, deliver, email, end, listed, record, states, with_settings

W = execution_pb2.WorkflowExecution
SMTP = {"sender": "smtp", "from_address": "flyte@example.com", "smtp_host": "127.0.0.1", "smtp_security": "none"}


def over(deps: Dependencies, mail: MailServer, **settings: Any) -> Dependencies:
    return with_settings(deps, **{**SMTP, "smtp_port": mail.port, **settings})


async def failed(deps: Dependencies, *recipients: str, **fields: Any) -> None:
    await record(deps, email(*recipients, **fields))
    await end(deps, W.FAILED)


async def test_an_email_has_the_texts_of_the_templates(deps: Dependencies, tmp_path: Path) -> None:
    async with mail_server(tmp_path) as mail:
        deps = over(
            deps, mail, subject="{{ workflow.name }} {{ phase }}", body="<b>{{ launch_plan.version }}</b>{{ error }}"
        )
        await failed(deps, "ada@example.com")
        assert await deliver(deps) == {"delivered": 1}

    (found,) = await listed(deps)
    (got,) = mail.received
    assert states([found]) == ["DELIVERED"]
    assert (found.attempts, found.problem, found.HasField("ended_at")) == (1, "", True)
    assert got.recipients == ["ada@example.com"]
    assert got.message["Subject"] == "w failed"
    assert (got.message["From"], got.message["To"]) == ("flyte@example.com", "ada@example.com")
    assert got.message.get_content_type() == "text/html"
    assert got.message.get_content().strip() == "<b>v7</b> The execution failed with error: [it broke]."
    assert got.message[DELIVERY_HEADER] == found.delivery_id
    assert got.message["Message-ID"] == f"<{found.delivery_id}@example.com>"


async def test_the_template_of_a_notification_replaces_the_body(deps: Dependencies, tmp_path: Path) -> None:
    async with mail_server(tmp_path) as mail:
        deps = over(deps, mail)
        await failed(deps, "ada@example.com", template="{{ name }} is mine")
        await deliver(deps)

    assert mail.received[0].message.get_content().strip() == "e1 is mine"


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_emails_are_encrypted_and_sent_after_a_login(
    deps: Dependencies, tmp_path: Path, security: Literal["starttls", "tls"]
) -> None:
    async with mail_server(tmp_path, security, login=True) as mail:
        login = {"smtp_username": USER, "smtp_password": PASSWORD, "ca_file": mail.ca_file}
        deps = over(deps, mail, smtp_security=security, **login)
        await failed(deps, "ada@example.com")
        assert await deliver(deps) == {"delivered": 1}

    assert [(got.encrypted, got.user) for got in mail.received] == [(True, USER)]


async def test_a_server_that_offers_no_starttls_gets_no_password(deps: Dependencies, tmp_path: Path) -> None:
    async with mail_server(tmp_path, "none", login=True) as mail:
        login = {"smtp_username": USER, "smtp_password": PASSWORD}
        deps = over(deps, mail, smtp_security="starttls", **login)
        await failed(deps, "ada@example.com")
        assert await deliver(deps) == {"postponed": 1}

    assert (mail.received, mail.logins) == ([], [])
    assert "does not take emails" in (await listed(deps))[0].problem


async def test_a_certificate_of_an_unknown_authority_is_not_trusted(deps: Dependencies, tmp_path: Path) -> None:
    async with mail_server(tmp_path, "tls") as mail:
        deps = over(deps, mail, smtp_security="tls")
        await failed(deps, "ada@example.com")
        assert await deliver(deps) == {"postponed": 1}

    assert mail.received == []
    assert "certificate verify failed" in (await listed(deps))[0].problem


async def test_a_wrong_password_is_tried_again_until_it_is_right(deps: Dependencies, tmp_path: Path) -> None:
    clock = Clock()
    async with mail_server(tmp_path, "tls", login=True) as mail:
        login = {"smtp_security": "tls", "smtp_username": USER, "ca_file": mail.ca_file}
        await failed(deps, "ada@example.com")
        assert await deliver(over(deps, mail, **login, smtp_password="wrong"), clock) == {"postponed": 1}
        clock.move(deps.notifications.first_pause)
        assert await deliver(over(deps, mail, **login, smtp_password=PASSWORD), clock) == {"delivered": 1}

    assert len(mail.received) == 1
    assert set(mail.logins) == {USER}


async def test_one_refused_recipient_is_recorded_and_the_others_get_theirs(deps: Dependencies, tmp_path: Path) -> None:
    async with mail_server(tmp_path) as mail:
        mail.refused["gone@example.com"] = "550 no such mailbox"
        deps = over(deps, mail)
        await failed(deps, "ada@example.com", "gone@example.com", "bob@example.com")
        assert await deliver(deps) == {"delivered": 2, "failed": 1}

    found = await listed(deps)
    assert states(found) == ["DELIVERED", "FAILED", "DELIVERED"]
    assert found[1].problem.endswith("refuses the email: 550 no such mailbox")
    assert sorted(got.recipients[0] for got in mail.received) == ["ada@example.com", "bob@example.com"]


async def test_a_recipient_that_is_refused_for_now_is_tried_again_alone(deps: Dependencies, tmp_path: Path) -> None:
    clock = Clock()
    async with mail_server(tmp_path) as mail:
        mail.refused["grey@example.com"] = "451 try again"
        deps = over(deps, mail)
        await failed(deps, "grey@example.com", "bob@example.com")
        assert await deliver(deps, clock) == {"delivered": 1, "postponed": 1}
        assert await deliver(deps, clock) == {}
        mail.refused.clear()
        clock.move(deps.notifications.first_pause)
        assert await deliver(deps, clock) == {"delivered": 1}

    assert [got.recipients for got in mail.received] == [["bob@example.com"], ["grey@example.com"]]


async def test_a_server_that_hangs_is_given_up_in_time_and_the_email_is_kept(deps: Dependencies) -> None:
    async with silent_server() as port:
        deps = with_settings(deps, **{**SMTP, "smtp_port": port, "timeout": 0.2})
        await failed(deps, "ada@example.com")
        assert await deliver(deps) == {"postponed": 1}

    (found,) = await listed(deps)
    assert found.problem == f"the SMTP server 127.0.0.1:{port} took longer than 0.2 s"
    assert found.HasField("next_attempt_at")


async def test_executions_end_while_the_server_hangs(deps: Dependencies) -> None:
    async with silent_server() as port:
        deps = with_settings(deps, **{**SMTP, "smtp_port": port, "timeout": 0.2})
        await failed(deps, "ada@example.com")
        await deliver(deps)
        await record(deps, email("bob@example.com", phases=[W.SUCCEEDED]), name="e2")
        await end(deps, W.SUCCEEDED, "e2")

    assert states(await listed(deps, "e2")) == ["PENDING"]


async def test_a_server_that_is_gone_is_an_outage(deps: Dependencies, tmp_path: Path) -> None:
    async with mail_server(tmp_path) as mail:
        pass
    deps = over(deps, mail)
    await failed(deps, "ada@example.com")

    assert await deliver(deps) == {"postponed": 1}
    assert f"the SMTP server 127.0.0.1:{mail.port}" in (await listed(deps))[0].problem


@pytest.mark.parametrize(
    "address",
    [
        "nobody",
        "@example.com",
        "ada@",
        "a\r\nBcc: eve@example.com",
        "<>@",
        "a b@c d@",
        "a b@example.com",
        "ada@example.com, bob@example.com",
        "\u00e4da@example.com",  # The server does not offer SMTPUTF8.
    ],
)
async def test_what_is_no_address_is_recorded_and_not_sent(deps: Dependencies, tmp_path: Path, address: str) -> None:
    async with mail_server(tmp_path) as mail:
        deps = over(deps, mail)
        await failed(deps, address)
        assert await deliver(deps) == {"failed": 1}

    assert mail.received == []
    assert "is not an address" in (await listed(deps))[0].problem


async def test_without_a_sender_emails_are_recorded_as_failed(deps: Dependencies) -> None:
    await failed(deps, "ada@example.com")

    assert await deliver(deps) == {"failed": 1}
    assert "set FLYTETEMPORAL_NOTIFICATIONS__SENDER" in (await listed(deps))[0].problem


async def test_sendgrid_gets_the_request_of_its_api(deps: Dependencies) -> None:
    with http_receiver() as receiver:
        receiver.answers = [(202, b"")]
        deps = with_settings(
            deps,
            sender="sendgrid",
            from_address="flyte@example.com",
            sendgrid_api_key="SG.key",
            sendgrid_url=receiver.url,
        )
        await failed(deps, "ada@example.com")
        assert await deliver(deps) == {"delivered": 1}

    (got,) = receiver.received
    body = json.loads(got.body)
    assert (got.path, got.headers["authorization"]) == ("/v3/mail/send", "Bearer SG.key")
    assert body["personalizations"] == [{"to": [{"email": "ada@example.com"}]}]
    assert body["from"] == {"email": "flyte@example.com", "name": "Flyte Notifications"}
    assert body["content"][0]["type"] == "text/html"
    assert "it broke" in body["content"][0]["value"]
    assert body["headers"][DELIVERY_HEADER] == (await listed(deps))[0].delivery_id


@pytest.mark.parametrize(
    ("status", "result"), [(400, "failed"), (401, "postponed"), (429, "postponed"), (503, "postponed")]
)
async def test_what_sendgrid_refuses_is_recorded(deps: Dependencies, status: int, result: str) -> None:
    with http_receiver() as receiver:
        receiver.answers = [(status, b'{"errors": [{"message": "no"}]}')]
        settings = {"sender": "sendgrid", "from_address": "a@b.c", "sendgrid_api_key": "k"}
        deps = with_settings(deps, **settings, sendgrid_url=receiver.url)
        await failed(deps, "ada@example.com")
        assert await deliver(deps) == {result: 1}

    assert (await listed(deps))[0].problem.endswith(f'{status} {{"errors": [{{"message": "no"}}]}}')


@pytest.fixture
def aws_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.mark.usefixtures("aws_credentials")
async def test_ses_gets_the_request_of_its_api(deps: Dependencies) -> None:
    with http_receiver() as receiver:
        receiver.answers = [(200, b'{"MessageId": "1"}')]
        deps = with_settings(
            deps, sender="ses", from_address="flyte@example.com", ses_region="eu-west-1", ses_endpoint=receiver.url
        )
        await failed(deps, "ada@example.com")
        assert await deliver(deps) == {"delivered": 1}

    (got,) = receiver.received
    body = json.loads(got.body)
    assert got.path == "/v2/email/outbound-emails"
    assert got.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=key/")
    assert "/eu-west-1/ses/" in got.headers["authorization"]
    assert body["FromEmailAddress"] == "flyte@example.com"
    assert body["Destination"] == {"ToAddresses": ["ada@example.com"]}
    assert "it broke" in body["Content"]["Simple"]["Body"]["Html"]["Data"]


@pytest.mark.usefixtures("aws_credentials")
@pytest.mark.parametrize(
    ("status", "code", "result"),
    [
        (400, "MessageRejected", "failed"),
        (400, "BadRequestException", "failed"),
        (429, "TooManyRequestsException", "postponed"),
        (400, "SendingPausedException", "postponed"),
        (500, "InternalFailure", "postponed"),
    ],
)
async def test_what_ses_refuses_is_recorded(deps: Dependencies, status: int, code: str, result: str) -> None:
    with http_receiver() as receiver:
        receiver.answers = [(status, b'{"message": "no"}')]
        receiver.headers = {"x-amzn-ErrorType": code}
        settings = {"sender": "ses", "from_address": "a@b.c", "ses_region": "eu-west-1"}
        deps = with_settings(deps, **settings, ses_endpoint=receiver.url)
        await failed(deps, "ada@example.com")
        assert await deliver(deps) == {result: 1}

    assert (await listed(deps))[0].problem.endswith(f"{code} no")
