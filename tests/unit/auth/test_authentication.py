"""The chain asks authenticators in turn, and never lets a call through that none of them knows."""

import pytest

from flytetemporal.auth import identity as identities
from flytetemporal.auth.authentication import Chain, Presented
from flytetemporal.auth.identity import Identity, Kind
from flytetemporal.config.auth import AuthSettings
from flytetemporal.errors import Unauthenticated

ADA = Identity("ada", "test", Kind.USER)


class Prefixed:
    """Knows credentials that start with ``prefix``, of which only ``prefix ada`` is valid."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.asked: list[str] = []

    async def authenticate(self, presented: Presented) -> Identity | None:
        self.asked.append(presented.authorization)
        if not presented.authorization.startswith(self._prefix):
            return None
        if presented.authorization != f"{self._prefix} ada":
            raise Unauthenticated("the credential has expired; sign in again")
        return ADA


async def test_the_first_that_knows_the_kind_decides() -> None:
    first, second = Prefixed("One"), Prefixed("Two")
    chain = Chain([first, second])

    assert await chain.authenticate(Presented("Two ada")) == ADA
    assert first.asked == second.asked == ["Two ada"]


async def test_a_refusal_is_final() -> None:
    second = Prefixed("One")

    with pytest.raises(Unauthenticated, match="has expired"):
        await Chain([Prefixed("One"), second]).authenticate(Presented("One eve"))

    assert second.asked == []


@pytest.mark.parametrize(
    ("authorization", "problem"), [("", "sign in"), ("Bearer unknown", "of a kind that is not accepted")]
)
async def test_what_nobody_knows_is_refused(authorization: str, problem: str) -> None:
    with pytest.raises(Unauthenticated, match=problem):
        await Chain([Prefixed("One")]).authenticate(Presented(authorization))


async def test_a_chain_without_authenticators_refuses_everything() -> None:
    with pytest.raises(Unauthenticated):
        await Chain([]).authenticate(Presented("Bearer x"))


def test_an_identity_ends_with_its_context() -> None:
    with identities.acting_as(ADA):
        within = identities.current()

    assert within is ADA
    assert identities.current() is None


@pytest.mark.parametrize(
    "settings",
    [
        {"oidc": {"issuer": "https://issuer.example.com"}},
        {"server": {"enabled": True}},
        {"basic": {"password_file": "/etc/users"}},
        {"api_keys": {"enabled": True}},
        {"certificates": {"enabled": True}},
    ],
)
def test_each_section_makes_sign_in_required(settings: dict[str, object]) -> None:
    assert AuthSettings.model_validate(settings).required
    assert not AuthSettings().required
