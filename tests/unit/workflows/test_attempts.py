import pytest
from flyteidl.core import execution_pb2

from flytetemporal.workflows.attempts import Budget
from flytetemporal.workflows.outcomes import SYSTEM, USER, execution_error


def error(kind: execution_pb2.ExecutionError.ErrorKind) -> execution_pb2.ExecutionError:
    return execution_error("Code", "text", kind)


def attempts_until_failure(budget: Budget, kind: execution_pb2.ExecutionError.ErrorKind) -> int:
    attempts = 1
    while budget.next_attempt(error(kind), recoverable=True) is None:
        attempts += 1
    return attempts


@pytest.mark.parametrize(("max_attempts", "expected"), [(1, 1), (2, 2), (4, 4)])
def test_user_failures_use_the_users_budget(max_attempts: int, expected: int) -> None:
    assert attempts_until_failure(Budget(max_attempts), USER) == expected


def test_system_failures_have_three_retries_however_few_the_user_has() -> None:
    assert attempts_until_failure(Budget(1), SYSTEM) == 4


def test_system_failures_do_not_consume_the_users_budget() -> None:
    budget = Budget(2)

    assert budget.next_attempt(error(SYSTEM), recoverable=True) is None
    assert budget.next_attempt(error(USER), recoverable=True) is None
    final = budget.next_attempt(error(USER), recoverable=True)

    assert final is not None
    assert final.message.startswith("[2/2] ")


def test_a_failure_that_is_not_recoverable_keeps_its_code() -> None:
    final = Budget(5).next_attempt(error(USER), recoverable=False)

    assert final is not None
    assert final.code == "Code"


def test_an_exhausted_budget_is_always_the_users_error() -> None:
    budget = Budget(1, system_failures=3, attempt=3)

    final = budget.next_attempt(error(SYSTEM), recoverable=True)

    assert final is not None
    assert (final.kind, final.code) == (USER, "RetriesExhausted|Code")
    assert final.message == "[3/3] currentAttempt done. Last Error: SYSTEM::text"


def test_the_attempt_after_three_system_failures_may_not_be_interrupted() -> None:
    assert Budget(1, system_failures=2).may_be_interrupted
    assert not Budget(1, system_failures=3).may_be_interrupted
