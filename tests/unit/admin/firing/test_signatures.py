"""Webhooks are signed as the specification Standard Webhooks says."""

import time
from datetime import timedelta

import pytest
from pydantic import SecretStr

from flytetemporal.admin.firing import signatures
from flytetemporal.config.triggers import TriggerSettings
from flytetemporal.config.webhook_keys import signing_key
from flytetemporal.errors import Unauthenticated

KEY = signing_key(SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
BODY = b'{"test": 2432232314}'
DELIVERY = "msg_p5jXN8AQM9LWM0D4loKWxJek"
MAX_AGE = timedelta(minutes=5)


def headers(**changed: str) -> dict[str, str]:
    """Return the headers of a webhook that is sent now; underscores in names of changes stand for dashes."""
    seconds = str(int(time.time()))
    signed = {
        "webhook-id": DELIVERY,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{signatures.signature(DELIVERY, seconds, BODY, KEY)}",
    }
    return signed | {name.replace("_", "-"): value for name, value in changed.items()}


def check(given: dict[str, str], body: bytes = BODY, key: bytes = KEY) -> None:
    signatures.check(signatures.read(given), body, key, MAX_AGE)


def test_the_signature_is_that_of_the_specifications_example() -> None:
    signature = signatures.signature(DELIVERY, "1614265330", BODY, KEY)

    assert signature == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_signed_webhook_is_accepted() -> None:
    check(headers())


def test_one_of_several_signatures_is_enough() -> None:
    given = headers()
    given["webhook-signature"] = f"v1,AAAA v1a,unknown {given['webhook-signature']} nothing"

    check(given)


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook_id": "another"},
        {"webhook_signature": "v1,AAAA"},
        {"webhook_signature": "v1"},
        {"webhook_signature": "v1,\u00fc"},
        {"webhook_id": ""},
        {"webhook_id": "two words"},
        {"webhook_id": "x" * 256},
        {"webhook_timestamp": ""},
        {"webhook_timestamp": "yesterday"},
        {"webhook_timestamp": "-1"},
        {"webhook_timestamp": "\u0661"},
        {"webhook_signature": ""},
    ],
)
def test_what_was_changed_or_is_missing_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(Unauthenticated):
        check(headers(**changed))


def test_another_body_and_another_key_are_refused() -> None:
    with pytest.raises(Unauthenticated, match="no signature in header webhook-signature"):
        check(headers(), body=BODY + b" ")
    with pytest.raises(Unauthenticated, match="no signature in header webhook-signature"):
        check(headers(), key=b"k" * 32)


def test_another_version_of_the_signature_is_refused() -> None:
    given = headers()

    with pytest.raises(Unauthenticated, match="no signature"):
        check(given | {"webhook-signature": given["webhook-signature"].replace("v1,", "v2,")})


@pytest.mark.parametrize("seconds", ["0", "1614265330", "99999999999"])
def test_an_old_or_future_webhook_is_refused_though_it_is_signed(seconds: str) -> None:
    signature = f"v1,{signatures.signature(DELIVERY, seconds, BODY, KEY)}"

    with pytest.raises(Unauthenticated, match="sign it again"):
        check(headers(webhook_timestamp=seconds, webhook_signature=signature))


@pytest.mark.parametrize(
    ("key", "says"),
    [("not base64!", "written in base64"), ("YWJj", "24 to 64 bytes, and not 3")],
)
def test_a_weak_or_malformed_key_is_refused_by_the_settings_without_being_shown(key: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        TriggerSettings.model_validate({"webhook_keys": {"github": SecretStr(key)}})

    assert key not in str(refused.value)
