"""Settings of notifications are checked when a process starts."""

import base64
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from flytetemporal.config.notifications import NotificationSettings
from flytetemporal.config.webhook_keys import signing_key

KEY = base64.b64encode(b"k" * 32).decode()


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"sender": "smtp"}, "sender smtp needs from_address and smtp_host"),
        ({"sender": "ses", "from_address": "a@b.c"}, "sender ses needs ses_region"),
        ({"sender": "sendgrid", "from_address": "a@b.c"}, "sender sendgrid needs sendgrid_api_key"),
        ({"sender": "pigeon"}, "'smtp', 'ses' or 'sendgrid'"),
        ({"smtp_username": "ada"}, "smtp_username and smtp_password are only of use together"),
        ({"webhook_hosts": ["https://a.example.com"]}, "is not a host"),
        ({"webhook_hosts": ["a.example.com/path"]}, "is not a host"),
        ({"webhook_hosts": ["*example.com"]}, "is not a host"),
        ({"webhook_hosts": [""]}, "is not a host"),
        ({"webhook_keys": {"default": "no base64!"}}, "written in base64"),
        ({"webhook_keys": {"default": base64.b64encode(b"short").decode()}}, "24 to 64 bytes, and not 5"),
        ({"ca_file": "/nonexistent"}, "/nonexistent has no certificates in PEM form"),
        ({"timeout": 0}, "greater than 0"),
        ({"smtp_ports": 25}, "Extra inputs"),
    ],
)
def test_what_could_not_send_is_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        NotificationSettings(**settings)


def test_a_file_without_certificates_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")

    with pytest.raises(ValidationError, match="has no certificates"):
        NotificationSettings(ca_file=str(tmp_path / "ca.pem"))


def test_complete_settings_are_accepted() -> None:
    settings = NotificationSettings.model_validate(
        {
            "sender": "smtp",
            "from_address": "flyte@example.com",
            "smtp_host": "mail.example.com",
            "smtp_username": "flyte",
            "smtp_password": "secret",
            "webhook_hosts": ["*", "*.example.com", "a.example.com:8443", "http://10.0.0.7:9000", "[::1]:9000"],
            "webhook_keys": {"default": KEY, "other": f"whsec_{KEY}"},
        }
    )

    assert signing_key(settings.webhook_keys["default"]) == signing_key(settings.webhook_keys["other"]) == b"k" * 32
    assert "secret" not in repr(settings)
    assert KEY not in repr(settings)
