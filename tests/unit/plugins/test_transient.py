from collections.abc import Awaitable, Callable

import pytest

from flytetemporal.errors import FlyteError, NotFound, StoreAccessDenied, Unavailable
from flytetemporal.plugins import transient
from flytetemporal.plugins.transient import DENIED, retry_transient


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transient, "FIRST_PAUSE_SECONDS", 0.001)


def failing(*errors: FlyteError) -> Callable[[], Awaitable[str]]:
    """Return an operation that raises each of the errors once, and then succeeds."""
    left = list(errors)

    async def operation() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return operation


async def test_an_operation_is_repeated_until_it_succeeds() -> None:
    errors = [Unavailable("away"), StoreAccessDenied("denied"), Unavailable("away")]

    assert await retry_transient(failing(*errors), "outputs") == "done"


async def test_what_does_not_pass_is_raised() -> None:
    with pytest.raises(NotFound):
        await retry_transient(failing(Unavailable("away"), NotFound("none")), "outputs")


async def test_access_that_stays_denied_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transient, "DENIED_SECONDS", 0.05)

    with pytest.raises(StoreAccessDenied):
        await retry_transient(failing(*[StoreAccessDenied("denied")] * 1000), "outputs")


async def test_a_store_that_does_not_answer_is_waited_for_without_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transient, "DENIED_SECONDS", 0.0)

    assert await retry_transient(failing(*[Unavailable("away")] * 5), "outputs") == "done"


async def test_only_denials_are_waited_out_where_temporal_repeats_the_rest() -> None:
    assert await retry_transient(failing(StoreAccessDenied("denied")), "inputs", DENIED) == "done"
    with pytest.raises(Unavailable):
        await retry_transient(failing(Unavailable("away")), "inputs", DENIED)


async def test_it_is_noted_what_is_waited_for_and_when_that_is_over() -> None:
    notes: list[str] = []

    await retry_transient(failing(Unavailable("the store is away")), "outputs", note=notes.append)

    assert notes == ["outputs: the store is away", ""]
