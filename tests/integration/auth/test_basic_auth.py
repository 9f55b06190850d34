"""Basic auth over real ports: who is served, what strangers are told, and how often they may try."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import httpx
import pytest

from flytetemporal.admin.access.audit import LoggedAudit
from flytetemporal.auth import passwords
from flytetemporal.auth.api_keys import ApiKeys
from flytetemporal.auth.authentication import Presented
from flytetemporal.auth.basic import BasicAuthenticator
from flytetemporal.auth.identity import Credential, Kind
from flytetemporal.auth.passwords import MAX_FAILURES, LocalUser, PasswordFile
from flytetemporal.auth.policies import Policies
from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.wiring.sign_in import authenticators, guards
from flytetemporal.config.auth import AuthSettings, BasicSettings
from flytetemporal.errors import Unauthenticated, Unavailable
from tests.fixtures.guarded import Guarded, guarded

PASSWORD = "pass:word ü"
HASH, OTHER_HASH = passwords.hash_of(PASSWORD), passwords.hash_of("another one")
WRONG = "the user or the password is wrong"


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users"
    path.write_text(f"ada:{HASH}:scientists,authors\nbob:{HASH}\n")
    return path


@pytest.fixture
async def served(users: Path) -> AsyncIterator[Guarded]:
    settings = AuthSettings(basic=BasicSettings(password_file=str(users)))
    async with guarded(guards.guard(settings, Policies(), ApiKeys(), LoggedAudit())) as found:
        yield found


async def refusal(asked: BasicAuthenticator, header: str) -> str:
    with pytest.raises(Unauthenticated) as raised:
        await asked.authenticate(Presented(header))
    return raised.value.message


async def test_a_user_of_the_file_is_served_on_both_ports(served: Guarded) -> None:
    assert await served.over_grpc(("authorization", basic("ada", PASSWORD))) == "ada"
    assert await served.over_grpc(("flyte-authorization", basic("bob", PASSWORD))) == "bob"
    async with httpx.AsyncClient(auth=httpx.BasicAuth("ada", PASSWORD)) as http:
        assert (await http.get(f"{served.url}/api/v1/projects")).json()["token"] == "ada"


async def test_others_are_refused_with_the_same_words_whether_or_not_the_user_exists(served: Guarded) -> None:
    for name, password in (("ada", "wrong"), ("eve", PASSWORD), ("ada", "")):
        answer = await served.over_http({"authorization": basic(name, password)})
        assert (answer.status_code, answer.json()["message"]) == (401, WRONG)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await served.over_grpc(("authorization", basic(name, password)))
        assert (raised.value.code(), raised.value.details()) == (grpc.StatusCode.UNAUTHENTICATED, WRONG)


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic !",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b":nobody").decode(),
        "Basic " + base64.b64encode(b"\xff:x").decode(),
        basic("a" * 256, "x"),
        basic("ada", "x" * 9000),
    ],
)
async def test_a_header_that_is_malformed_is_refused_without_a_look_at_the_file(users: Path, header: str) -> None:
    users.unlink()

    assert "is not `authorization: Basic" in await refusal(BasicAuthenticator(PasswordFile(users)), header)


async def test_the_identity_says_how_the_user_has_signed_in(users: Path) -> None:
    found = await BasicAuthenticator(PasswordFile(users)).authenticate(Presented(basic("ada", PASSWORD)))

    assert found is not None
    assert (found.subject, found.kind, found.credential) == ("ada", Kind.USER, Credential.BASIC)
    assert found.groups == {"scientists", "authors"}


@pytest.mark.parametrize("header", ["", "Bearer x", "Bearer Basic"])
async def test_other_credentials_are_left_to_others(users: Path, header: str) -> None:
    assert await BasicAuthenticator(PasswordFile(users)).authenticate(Presented(header)) is None


async def test_guessing_ends_after_some_failures_also_if_all_come_at_once(users: Path) -> None:
    asked = BasicAuthenticator(PasswordFile(users))
    guesses = [refusal(asked, basic("ada", f"guess {number}")) for number in range(MAX_FAILURES + 5)]

    told = await asyncio.gather(*guesses)

    assert told.count(WRONG) == MAX_FAILURES
    assert "too many wrong passwords" in told[-1]
    assert "too many wrong passwords" in await refusal(asked, basic("ada", PASSWORD))
    assert await asked.authenticate(Presented(basic("bob", PASSWORD))) is not None


async def test_strangers_do_not_lock_out_a_user_who_is_at_work(users: Path) -> None:
    asked = BasicAuthenticator(PasswordFile(users))
    assert await asked.authenticate(Presented(basic("ada", PASSWORD))) is not None
    for number in range(MAX_FAILURES):
        assert await refusal(asked, basic("ada", f"guess {number}")) == WRONG

    assert "too many" in await refusal(asked, basic("ada", "one more"))
    assert await asked.authenticate(Presented(basic("ada", PASSWORD))) is not None


async def test_a_password_that_was_right_is_hashed_once(users: Path) -> None:
    class Counting(PasswordFile):
        hashed = 0

        async def user(self, name: str, password: str) -> LocalUser | None:
            Counting.hashed += 1
            return await PasswordFile.user(self, name, password)

    asked = BasicAuthenticator(Counting(users))

    found = await asyncio.gather(*(asked.authenticate(Presented(basic("ada", PASSWORD))) for _ in range(20)))

    assert all(found)
    assert Counting.hashed == 1


async def test_a_change_of_the_file_counts_at_once(users: Path) -> None:
    asked = BasicAuthenticator(PasswordFile(users))
    ada, bob = Presented(basic("ada", PASSWORD)), basic("bob", PASSWORD)
    assert await asked.authenticate(ada) is not None
    assert await asked.authenticate(Presented(bob)) is not None

    users.write_text(f"ada:{OTHER_HASH}\n")

    assert await refusal(asked, ada.authorization) == WRONG
    assert await refusal(asked, bob) == WRONG
    assert await asked.authenticate(Presented(basic("ada", "another one"))) is not None


async def test_a_file_that_an_edit_has_broken_is_not_the_fault_of_the_caller(users: Path) -> None:
    asked = BasicAuthenticator(PasswordFile(users))
    users.write_text("ada:plain text\n")

    with pytest.raises(Unavailable) as raised:
        await asked.authenticate(Presented(basic("ada", PASSWORD)))
    assert str(users) not in raised.value.message


def test_a_file_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    settings = AuthSettings(basic=BasicSettings(password_file=str(tmp_path / "none")))

    with pytest.raises(CommandError, match="BASIC__PASSWORD_FILE"):
        authenticators.authenticators(settings, ApiKeys())
