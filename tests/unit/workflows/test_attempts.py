from datetime import timedelta

import pytest
from flyteidl.core import execution_pb2

from flytetemporal.contracts.v1 import execution_pb2 as contract_pb2
from flytetemporal.workflows.attempts import LONGEST, Budget, Retry
from flytetemporal.workflows.node.outcomes import SYSTEM, USER, NodeFailure, execution_error


def error(kind: execution_pb2.ExecutionError.ErrorKind, code: str = "Code") -> execution_pb2.ExecutionError:
    return execution_error(code, "text", kind)


def final_error(
    budget: Budget, failed: execution_pb2.ExecutionError, *, recoverable: bool = True
) -> execution_pb2.ExecutionError:
    with pytest.raises(NodeFailure) as caught:
        budget.after(failed, recoverable=recoverable)
    return caught.value.error


def retries(budget: Budget, failed: execution_pb2.ExecutionError) -> list[Retry]:
    found = []
    while True:
        try:
            found.append(budget.after(failed, recoverable=True))
        except NodeFailure:
            return found


def rule(
    cause: str = "", retries: int | None = None, initial: float = 0, coefficient: float = 0, maximum: float = 0
) -> contract_pb2.RetryRule:
    found = contract_pb2.RetryRule(cause=cause, backoff_coefficient=coefficient)
    found.initial_interval.FromTimedelta(timedelta(seconds=initial))
    if maximum:
        found.maximum_interval.FromTimedelta(timedelta(seconds=maximum))
    if retries is not None:
        found.retries.value = retries
    return found


@pytest.mark.parametrize("max_attempts", [1, 2, 4])
def test_user_failures_use_the_users_budget(max_attempts: int) -> None:
    assert len(retries(Budget(max_attempts), error(USER))) + 1 == max_attempts


def test_system_failures_have_three_retries_however_few_the_user_has() -> None:
    assert len(retries(Budget(1), error(SYSTEM))) == 3


def test_system_failures_do_not_consume_the_users_budget() -> None:
    budget = Budget(2)
    budget.after(error(SYSTEM), recoverable=True)
    budget.after(error(USER), recoverable=True)

    final = final_error(budget, error(USER))

    assert final.message.startswith("[2/2] ")


def test_a_failure_that_is_not_recoverable_keeps_its_code() -> None:
    assert final_error(Budget(5), error(USER), recoverable=False).code == "Code"


def test_the_error_of_an_exhausted_budget_has_no_time() -> None:
    failed = error(USER)
    failed.timestamp.seconds = 1

    assert not final_error(Budget(1), failed).HasField("timestamp")
    assert final_error(Budget(1), failed, recoverable=False).timestamp.seconds == 1


def test_an_exhausted_budget_is_always_the_users_error() -> None:
    budget = Budget(1)
    retries(budget, error(SYSTEM))

    final = final_error(budget, error(SYSTEM))

    assert (final.kind, final.code) == (USER, "RetriesExhausted|Code")
    assert final.message == "[3/3] currentAttempt done. Last Error: SYSTEM::text"


def test_the_attempt_after_three_system_failures_may_not_be_interrupted() -> None:
    budget = Budget(1)
    allowed = []
    for _ in range(3):
        allowed.append(budget.may_be_interrupted)
        budget.after(error(SYSTEM), recoverable=True)

    assert allowed == [True, True, True]
    assert not budget.may_be_interrupted


def test_a_rule_gives_a_cause_a_budget_of_its_own() -> None:
    budget = Budget(1, [rule("OOMKilled", retries=2)])

    assert [(retry.cause, retry.number, retry.limit) for retry in retries(budget, error(USER, "OOMKilled"))] == [
        ("OOMKilled", 1, 2),
        ("OOMKilled", 2, 2),
    ]
    assert final_error(budget, error(USER)).message.startswith("[1/1] ")


def test_a_rule_for_a_kind_of_error_replaces_its_budget() -> None:
    assert len(retries(Budget(1, [rule("SYSTEM", retries=5)]), error(SYSTEM))) == 5
    assert retries(Budget(4, [rule("USER", retries=0)]), error(USER)) == []


def test_of_the_rules_that_fit_the_first_counts() -> None:
    budget = Budget(1, [rule("Code", retries=1), rule("USER", retries=9)])

    assert len(retries(budget, error(USER))) == 1


def test_pauses_grow_up_to_their_maximum() -> None:
    budget = Budget(6, [rule("USER", initial=10, coefficient=3, maximum=60)])

    assert [retry.pause.total_seconds() for retry in retries(budget, error(USER))] == [10, 30, 60, 60, 60]


def test_pauses_double_unless_the_rule_says_otherwise() -> None:
    budget = Budget(4, [rule(initial=1)])

    assert [retry.pause.total_seconds() for retry in retries(budget, error(USER))] == [1, 2, 4]


def test_pauses_end_somewhere_without_a_maximum() -> None:
    budget = Budget(2000, [rule(initial=1, coefficient=10)])

    assert retries(budget, error(USER))[-1].pause == timedelta(seconds=100)


@pytest.mark.parametrize(
    ("max_attempts", "rules", "seconds"),
    [
        (1, [], 0),
        (4, [], 30),
        (1, [rule(initial=5)], 0),
        (4, [rule(initial=5)], 30 + 5 + 10 + 20),
        (4, [rule("OOMKilled", initial=60, coefficient=1), rule(initial=5)], 30 + 3 * 60),
        (1, [rule("SYSTEM", retries=2, initial=1)], 20 + 1 + 2),
        (3, [rule("OOMKilled", retries=1)], 20 + 10),
        (3, [rule("USER", retries=0)], 0),
        (2, [rule(retries=5)], 50),
        (101, [rule(initial=1, coefficient=1)], 1000 + 100),
    ],
)
def test_retries_need_their_timeouts_and_pauses(
    max_attempts: int, rules: list[contract_pb2.RetryRule], seconds: float
) -> None:
    assert Budget(max_attempts, rules).time_for_retries(timedelta(seconds=10)) == timedelta(seconds=seconds)


def test_the_time_that_retries_need_is_bounded() -> None:
    rules = [rule(initial=1e11, coefficient=1e300, maximum=3e11)]

    assert Budget(2**32, rules).time_for_retries(LONGEST) == LONGEST


def test_an_attempt_with_more_memory_has_a_budget_of_its_own() -> None:
    budget = Budget(1, memory_steps=2)
    failed = error(USER, "OOMKilled")

    first = budget.after(failed, recoverable=True, next_memory_bytes=2048)
    second = budget.after(failed, recoverable=True, next_memory_bytes=4096)

    assert [(retry.cause, retry.number, retry.limit) for retry in (first, second)] == [
        ("MEMORY", 1, 2),
        ("MEMORY", 2, 2),
    ]
    assert (budget.attempt, budget.progress.memory_bytes) == (2, 4096)
    with pytest.raises(NodeFailure):
        budget.after(failed, recoverable=True, next_memory_bytes=8192)
    assert budget.progress.memory_bytes == 4096


def test_raised_memory_stays_for_the_retries_that_follow() -> None:
    budget = Budget(2, memory_steps=1)
    budget.after(error(USER, "OOMKilled"), recoverable=True, next_memory_bytes=2048)

    assert budget.after(error(USER), recoverable=True).cause == "USER"
    assert budget.progress.memory_bytes == 2048


def test_the_deadline_of_a_node_leaves_time_for_attempts_with_more_memory() -> None:
    assert Budget(2, memory_steps=3).time_for_retries(timedelta(seconds=10)) == timedelta(seconds=40)
