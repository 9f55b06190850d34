"""The claims of a token become an identity, whichever issuer has made it."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from flytetemporal.auth.identity import Credential, Identity, Kind
from flytetemporal.auth.oidc import claims as token_claims
from flytetemporal.errors import Unauthenticated


def of(groups_claim: str = "groups", **claims: Any) -> Identity:
    usual = {"iss": "https://issuer", "sub": "ada", "exp": 2_000_000_000}
    return token_claims.identity({**usual, **claims}, groups_claim, Credential.TOKEN, "text")


def test_a_user_has_what_the_token_says() -> None:
    found = of(email="ada@example.com", email_verified=True, name="Ada", groups=["a", "b"], jti="id-1", azp="flytectl")

    assert found == Identity(
        subject="ada",
        issuer="https://issuer",
        kind=Kind.USER,
        client_id="flytectl",
        groups=frozenset({"a", "b"}),
        credential=Credential.TOKEN,
        credential_id="id-1",
        expires_at=datetime.fromtimestamp(2_000_000_000, UTC),
        email="ada@example.com",
        name="Ada",
    )


def test_a_token_without_an_id_is_identified_by_its_digest() -> None:
    assert len(of().credential_id) == 32
    assert "text" not in of().credential_id


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "app", "client_id": "app"},
        {"sub": "app", "cid": "app"},
        {"sub": "app@clients", "azp": "app"},
        {"azp": "app", "idtyp": "app"},
        {"client_id": "App", "preferred_username": "service-account-app"},
    ],
    ids=["rfc 9068", "okta", "auth0", "entra", "keycloak"],
)
def test_a_client_that_acts_for_itself_is_a_service(claims: dict[str, Any]) -> None:
    assert of(**claims).kind is Kind.SERVICE


@pytest.mark.parametrize(
    "claims", [{"client_id": "app"}, {"azp": "app", "preferred_username": "service-account-app"}, {"idtyp": "app"}]
)
def test_a_client_that_acts_for_a_user_is_none(claims: dict[str, Any]) -> None:
    assert of(**claims).kind is Kind.USER


@pytest.mark.parametrize("claims", [{"scope": "all read"}, {"scp": "all read"}, {"scp": ["all", "read"]}])
def test_scopes_are_read_in_each_of_their_forms(claims: dict[str, Any]) -> None:
    assert of(**claims).scopes == {"all", "read"}


@pytest.mark.parametrize("verified", [{}, {"email_verified": False}, {"email_verified": "no"}, {"email_verified": 1.5}])
def test_an_address_that_the_issuer_has_not_verified_is_left_out(verified: dict[str, Any]) -> None:
    """Else a user could enter that of somebody who has a role."""
    assert of(email="admin@example.com", **verified).email == ""


def test_groups_are_read_from_where_the_settings_say() -> None:
    assert of("realm_access.roles", realm_access={"roles": ["a"]}).groups == {"a"}
    assert of("https://example.com/groups", **{"https://example.com/groups": ["b"]}).groups == {"b"}
    assert of("roles", roles="c").groups == {"c"}
    assert of("realm_access.roles.x", realm_access={"roles": ["a"]}).groups == frozenset()


@pytest.mark.parametrize("value", [7, None, {"a": 1}, [["a"]], "x" * 300, "a\x00b", "\ud800"])
def test_what_cannot_be_stored_is_left_out(value: object) -> None:
    found = of(groups=[value, "a"], email=value, email_verified=True, name=value, scp=value, jti=value)

    assert found.groups == {"a"}
    assert (found.email, found.name) == ("", "")


@pytest.mark.parametrize("subject", ["", "x" * 256, "a\x00b", "\ud800"])
def test_a_subject_that_cannot_be_stored_is_refused(subject: str) -> None:
    with pytest.raises(Unauthenticated, match="subject"):
        of(sub=subject)


@pytest.mark.parametrize("exp", [10**300, math.pi * 1e9, 1e300])
def test_any_number_is_a_time(exp: float) -> None:
    assert of(exp=exp).expires_at is not None
