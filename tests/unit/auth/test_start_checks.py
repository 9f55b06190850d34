"""Settings of sign-in that exclude each other, or are not safe, are refused before anything is served."""

from typing import Any

import pytest

from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.wiring.sign_in import checks
from flytetemporal.config.admin import AdminSettings
from flytetemporal.config.auth import AuthSettings

BASIC = {"basic": {"password_file": "/etc/users"}}
OIDC = {
    "issuer": "https://login.example.com",
    "client_id": "flyte",
    "cookie_keys": ["MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="],
}


def check(auth: dict[str, Any], **admin: str) -> None:
    checks.check(AuthSettings.model_validate(auth), AdminSettings.model_validate(admin))


@pytest.mark.parametrize(
    "admin",
    [
        {"host": "0.0.0.0"},
        {"public_url": "http://flyte.example.com"},
        {"host": "10.0.0.1", "public_url": "http://flyte.example.com"},
    ],
)
def test_passwords_without_tls_stay_on_loopback(admin: dict[str, str]) -> None:
    with pytest.raises(CommandError, match="in plain text"):
        check(BASIC, **admin)
    check({}, **admin)


@pytest.mark.parametrize(
    "admin",
    [
        {},
        {"host": "0.0.0.0", "tls_certificate": "/own.crt"},
        {"host": "0.0.0.0", "public_url": "https://flyte.example.com"},
    ],
)
def test_passwords_are_taken_on_loopback_with_tls_and_behind_a_proxy_with_tls(admin: dict[str, str]) -> None:
    check(BASIC, **admin)


def test_local_users_and_a_client_of_an_issuer_do_not_share_the_login_page() -> None:
    users = {"enabled": True, "users_file": "/etc/users"}
    with pytest.raises(CommandError, match=r"USERS_FILE and .*CLIENT_ID"):
        check({"server": users, "oidc": OIDC})

    check({"server": {"enabled": True}, "oidc": OIDC})
    check({"server": users, "oidc": {"issuer": OIDC["issuer"]}})


def test_certificates_need_an_authority_and_principals() -> None:
    principals = {"dns:worker": "service:worker"}
    for auth, admin in (
        ({"enabled": True, "principals": principals}, {}),
        ({"enabled": True}, {"tls_certificate": "/own.crt", "tls_client_ca": "/ca.pem"}),
    ):
        with pytest.raises(CommandError, match="TLS_CLIENT_CA"):
            check({"certificates": auth}, **admin)

    check({"certificates": {"enabled": True, "principals": principals}}, tls_client_ca="/ca.pem")
