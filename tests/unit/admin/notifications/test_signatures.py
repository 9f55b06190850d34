"""Receivers check signatures with the libraries of Standard Webhooks."""

from datetime import UTC, datetime

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook, WebhookVerificationError

from flytetemporal.admin.notifications.senders import signatures
from flytetemporal.config.webhook_keys import signing_key
from tests.fixtures.notified import KEY

BODY = b'{"type":"test"}'


def signed(body: bytes = BODY) -> dict[str, str]:
    return signatures.headers(signing_key(SecretStr(KEY)), "msg_1", datetime.now(UTC), body)


def test_the_library_of_receivers_accepts_a_signature() -> None:
    assert Webhook(KEY).verify(BODY, signed()) == {"type": "test"}


@pytest.mark.parametrize("changed", [signatures.ID, signatures.TIMESTAMP])
def test_the_library_of_receivers_refuses_changed_headers(changed: str) -> None:
    headers = signed()
    headers[changed] = headers[changed][:-1] + ("1" if headers[changed][-1] != "1" else "2")

    with pytest.raises(WebhookVerificationError):
        Webhook(KEY).verify(BODY, headers)


def test_the_library_of_receivers_refuses_a_changed_body() -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(KEY).verify(BODY + b" ", signed())
