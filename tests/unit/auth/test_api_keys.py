"""No credential that is not exactly a key is taken for one."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flytetemporal.auth import api_keys
from flytetemporal.auth.api_keys import ApiKey, ApiKeyAuthenticator, ApiKeys
from flytetemporal.auth.authentication import Presented
from flytetemporal.auth.identity import Kind, Restriction
from flytetemporal.auth.roles import Subject
from flytetemporal.errors import Unauthenticated

KEY_ID, SECRET = api_keys.made()
LIMIT = Restriction("viewer", "p", "d")


def authenticator(owner: str = "user:ada", valid: timedelta = timedelta(hours=1)) -> ApiKeyAuthenticator:
    keys = ApiKeys()
    hashed = api_keys.hashed(SECRET)
    keys.replace([ApiKey(KEY_ID, hashed, Subject.parse(owner), LIMIT, datetime.now(UTC) + valid)])
    return ApiKeyAuthenticator(keys)


@pytest.mark.parametrize(("owner", "kind"), [("user:ada", Kind.USER), ("service:ada", Kind.SERVICE)])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_a_key_is_its_owner_with_its_limits(owner: str, kind: Kind, scheme: str) -> None:
    found = await authenticator(owner).authenticate(Presented(f"{scheme} {SECRET}"))

    assert found is not None
    assert (found.subject, found.kind, found.credential_id, found.restriction) == ("ada", kind, KEY_ID, LIMIT)


async def test_other_credentials_are_left_to_others() -> None:
    for other in ("", "Bearer eyJ.x.y", f"Basic {SECRET}", SECRET, "Bearer", "Bearer  ftk_x"):
        assert await authenticator().authenticate(Presented(other)) is None


@given(st.text(max_size=80))
async def test_no_other_text_is_a_key(text: str) -> None:
    for credential in (f"Bearer ftk_{text}", f"Bearer ftk_{KEY_ID}_{text}", f"Bearer {SECRET}{text or 'x'}"):
        with pytest.raises(Unauthenticated):
            await authenticator().authenticate(Presented(credential))


async def test_an_expired_key_is_named_by_its_id() -> None:
    with pytest.raises(Unauthenticated, match=f"API key {KEY_ID} has expired"):
        await authenticator(valid=timedelta(seconds=-1)).authenticate(Presented(f"Bearer {SECRET}"))


async def test_a_key_in_the_url_is_refused_even_beside_a_good_credential() -> None:
    with pytest.raises(Unauthenticated, match="in the URL"):
        await authenticator().authenticate(Presented(f"Bearer {SECRET}", query=f"token={SECRET}"))


def test_keys_are_random() -> None:
    made = {api_keys.made() for _ in range(100)}

    assert len({key_id for key_id, _ in made}) == len({secret for _, secret in made}) == 100
    assert all(len(secret) > 50 and key_id in secret for key_id, secret in made)
