"""Attempts of a node: whether and when another one follows, and the loop around nodes that are no tasks.

The budgets mirror flytepropeller's nodes/executor.go (isEligibleForRetry): system failures have their own budget and do
not consume the user's. Retry rules in the execution's settings set budget and pauses by cause.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from flyteidl.core import execution_pb2 as core_execution_pb2
from temporalio import workflow

from flytetemporal.contracts import memory_rules
from flytetemporal.contracts.v1 import continuation_pb2, execution_pb2, operations_pb2
from flytetemporal.idl import error_text, times
from flytetemporal.workflows.node.node_run import NodeRun
from flytetemporal.workflows.node.outcomes import SYSTEM, USER, NodeFailure, Values, execution_error
from flytetemporal.workflows.operators.clocks import Clock
from flytetemporal.workflows.versions import Patch

SYSTEM_RETRIES = 3
# A node may be open for this multiple of its timeout, not counting its retries. Flyte's factor.
DEADLINE_FACTOR = 2
# The longest time that is added to it, and the pauses that are summed one by one.
LONGEST = timedelta(days=3_652_500)
SUMMED_PAUSES = 64
TIMEOUT_EXPIRED = "TimeoutExpired"
# The budget of attempts that ran out of memory and are followed by one with more.
MEMORY = "MEMORY"
DEFAULT_COEFFICIENT = 2.0
# Fields of an ``OpenNode`` that belong to one attempt and are cleared after it.
PER_ATTEMPT: tuple[Literal["attempt_began_at", "attempt_clock", "wakes_at", "launched", "asked", "dynamic"], ...] = (
    "attempt_began_at", "attempt_clock", "wakes_at", "launched", "asked", "dynamic",
)  # fmt: skip
# The longest pause as a multiple of the first, unless a rule sets it. Temporal's default.
LONGEST_PAUSE = 100


@dataclass(frozen=True, slots=True)
class Retry:
    """Another attempt follows after ``pause``: retry ``number`` of the ``limit`` for its ``cause``."""

    cause: str
    number: int
    limit: int
    pause: timedelta


@dataclass(slots=True)
class Budget:
    """The attempts of one node. ``max_attempts`` counts user attempts, the first included."""

    max_attempts: int
    rules: Sequence[execution_pb2.RetryRule] = ()
    # How often the memory of the task may be raised.
    memory_steps: int = 0
    # The counts are kept in the node's progress, so that the next run continues them.
    progress: continuation_pb2.OpenNode = field(default_factory=continuation_pb2.OpenNode)

    @property
    def attempt(self) -> int:
        """The current attempt, from 0 on."""
        return self.progress.attempt

    def after(
        self, error: core_execution_pb2.ExecutionError, *, recoverable: bool, next_memory_bytes: int = 0
    ) -> Retry:
        """Charge a failed attempt to its budget and return when the next one follows.

        ``next_memory_bytes`` is set if the attempt ran out of memory and the next one may have more.

        Raises:
            NodeFailure: none follows. It carries the error of the node.
        """
        if not recoverable:
            raise NodeFailure(error)
        rule = self._rule(error)
        if next_memory_bytes and self._failures(MEMORY) < self.memory_steps:
            self.progress.memory_bytes = next_memory_bytes
            cause, limit = MEMORY, self.memory_steps
        else:
            cause, limit = self._cause(error, rule), self._retries(error, rule)
        before = self._failures(cause)
        if before >= limit:
            raise NodeFailure(_exhausted(error, before, limit))
        self.progress.failures[cause] = before + 1
        self.progress.attempt += 1
        return Retry(cause, before + 1, limit, _pause(rule, before))

    def repeat(self) -> None:
        """Count an attempt that was stopped by a pause; no budget is charged."""
        self.progress.attempt += 1

    @property
    def may_be_interrupted(self) -> bool:
        """Whether the attempt may be preempted: false if no attempt could follow."""
        error = core_execution_pb2.ExecutionError(kind=SYSTEM)
        rule = self._rule(error)
        return self._failures(self._cause(error, rule)) < self._retries(error, rule)

    def time_for_retries(self, timeout: timedelta) -> timedelta:
        """Return the time that all retries take if each runs for ``timeout``, with the pauses before them.

        Flyte's three system retries count only if a rule names them: they repeat an attempt that was lost.
        """
        user = self._rule(core_execution_pb2.ExecutionError(kind=USER))
        retries = self.max_attempts - 1 if user is None or not user.HasField("retries") else user.retries.value
        own = [rule for rule in self.rules if rule.cause and rule.HasField("retries") and rule is not user]
        # Rules that only set pauses apply to the retries of the user's budget.
        pausing = [user, *(rule for rule in self.rules if not rule.HasField("retries"))]
        try:
            total = retries * timeout + max(_pauses(rule, retries) for rule in pausing)
            for rule in own:
                total += rule.retries.value * timeout + _pauses(rule, rule.retries.value)
            total += self.memory_steps * timeout
        except OverflowError:
            return LONGEST
        return min(total, LONGEST)

    def _failures(self, cause: str) -> int:
        return self.progress.failures.get(cause, 0)

    def _rule(self, error: core_execution_pb2.ExecutionError) -> execution_pb2.RetryRule | None:
        names = ("", error.code, _kind(error))
        return next((rule for rule in self.rules if rule.cause in names), None)

    def _cause(self, error: core_execution_pb2.ExecutionError, rule: execution_pb2.RetryRule | None) -> str:
        """Return the name of the budget that a failure is charged to."""
        if rule is not None and rule.cause and rule.HasField("retries"):
            return rule.cause
        return "SYSTEM" if error.kind == SYSTEM else "USER"

    def _retries(self, error: core_execution_pb2.ExecutionError, rule: execution_pb2.RetryRule | None) -> int:
        if rule is not None and rule.HasField("retries"):
            return rule.retries.value
        return SYSTEM_RETRIES if error.kind == SYSTEM else self.max_attempts - 1


def budget_of(node: NodeRun, retries: int = 0, task: str = "") -> Budget:
    """Return the budget of a node; ``retries``, those of its task, count if the node has none."""
    settings = node.scope.run.argument.settings
    rules = [rule for rule in settings.retry_rules if rule.task in ("", task)]
    own = node.node.retries or retries
    # The budget of an array is not that of its elements.
    if node.changes.HasField("retries") and not (node.node.HasField("array") and node.id == node.event.id.node_id):
        own, rules = node.changes.retries.value, [_without_retries(rule) for rule in rules]
    memory = memory_rules.applying(settings.memory_rules, task) if task else None
    steps = memory.steps if memory is not None else 0
    return Budget(own + 1, rules, steps, node.progress)


def node_limit(node: NodeRun) -> timedelta:
    """Return how long a node may be open, all its attempts together; zero: no limit.

    In Flyte it is a multiple of the timeout whatever the retries, which ends a node before they are used.
    """
    timeout = node.timeout
    limit = (node.scope.run.argument.node_deadline_factor or DEADLINE_FACTOR) * timeout
    if not timeout:
        return limit
    retries, task = 0, ""
    if node.node.WhichOneof("target") == "task":
        summary = node.scope.program.graph.tasks[node.node.task.task]
        retries, task = summary.retries, summary.id.name
    more = budget_of(node, retries, task).time_for_retries(timeout)
    return limit + more if more and workflow.patched(Patch.DEADLINE_FOR_RETRIES) else limit


async def pause(node: NodeRun, budget: Budget, retry: Retry, error: core_execution_pb2.ExecutionError) -> None:
    """Wait until the next attempt may start."""
    if retry.pause <= timedelta():
        return
    progress = budget.progress
    progress.retry_at.CopyFrom(times.timestamp(times.later(workflow.now(), retry.pause)))
    last = core_execution_pb2.ExecutionError(
        code=error.code, kind=error.kind, message=error_text.headline(error.message)
    )
    progress.last_error.CopyFrom(last)
    await wait_out_pause(node, budget)


async def wait_out_pause(node: NodeRun, budget: Budget) -> None:
    """Wait for what is left of a pause, which can have started in the previous run."""
    progress = budget.progress
    if not progress.HasField("retry_at"):
        return
    left = times.moment(progress.retry_at) - workflow.now()
    if left > timedelta():
        backoff = operations_pb2.BackoffWait(
            until=progress.retry_at, next_attempt=budget.attempt, last_error=progress.last_error
        )
        async with node.idle(lambda wait: wait.backoff.CopyFrom(backoff), timer=True):
            await workflow.sleep(left, summary=f"{node.id} attempt {budget.attempt}")
    progress.ClearField("retry_at")
    progress.ClearField("last_error")


async def with_deadline(
    node: NodeRun, work: Callable[[NodeRun], Awaitable[Values]], retries: int = 0, task: str = ""
) -> Values:
    """Run a node that has no activity of its own; start another attempt while deadlines end them and the budget lasts.

    Raises:
        NodeFailure: it failed, or its budget is exhausted.
    """
    progress = node.progress
    while True:
        if progress.HasField("retry_at"):
            await wait_out_pause(node, budget_of(node, retries, task))
        # Operators can have changed both while the node waited.
        limit, budget = node.timeout, budget_of(node, retries, task)
        if not limit:
            return await work(node.at(budget.attempt))
        if not progress.HasField("attempt_began_at"):
            await node.wait_for_resume()
            progress.attempt_began_at.FromDatetime(workflow.now())
        try:
            clock = Clock(node.scope.run.pauses, node.path, progress.attempt_began_at, progress.attempt_clock)
            return await clock.within(limit, work(node.at(budget.attempt)))
        except TimeoutError:
            error = timeout_expired(limit)
        for field_name in PER_ATTEMPT:
            progress.ClearField(field_name)
        await pause(node, budget, budget.after(error, recoverable=True), error)


def timeout_expired(limit: timedelta) -> core_execution_pb2.ExecutionError:
    """Return the error of an attempt that exceeded its deadline."""
    return execution_error(TIMEOUT_EXPIRED, f"task execution timeout [{times.go_text(limit)}] expired", USER)


def _pause(rule: execution_pb2.RetryRule | None, before: int) -> timedelta:
    if rule is None:
        return timedelta()
    first = times.limit(rule.initial_interval)
    coefficient = rule.backoff_coefficient if rule.backoff_coefficient >= 1 else DEFAULT_COEFFICIENT
    longest = times.limit(rule.maximum_interval) if rule.HasField("maximum_interval") else LONGEST_PAUSE * first
    try:
        return min(first * coefficient**before, longest)
    except OverflowError:
        return longest


def _pauses(rule: execution_pb2.RetryRule | None, retries: int) -> timedelta:
    """Return the sum of the pauses before retries; of more than ``SUMMED_PAUSES``, the last stands for the others."""
    summed = min(retries, SUMMED_PAUSES)
    total = sum((_pause(rule, before) for before in range(summed)), timedelta())
    return total + (retries - summed) * _pause(rule, retries)


def _without_retries(rule: execution_pb2.RetryRule) -> execution_pb2.RetryRule:
    """Return a rule that only sets pauses, unless it is about failures of the system."""
    if rule.cause == "SYSTEM" or not rule.HasField("retries"):
        return rule
    copy = execution_pb2.RetryRule()
    copy.CopyFrom(rule)
    copy.ClearField("retries")
    return copy


def _kind(error: core_execution_pb2.ExecutionError) -> str:
    # A number that Flyte does not define has no name.
    kinds = core_execution_pb2.ExecutionError.ErrorKind
    return kinds.Name(error.kind if error.kind in kinds.values() else kinds.UNKNOWN)


def _exhausted(
    error: core_execution_pb2.ExecutionError, before: int, retries: int
) -> core_execution_pb2.ExecutionError:
    # Flyte counts user failures with the last one, system failures without it.
    spent, limit = (before, retries) if error.kind == SYSTEM else (before + 1, retries + 1)
    text = f"[{spent}/{limit}] currentAttempt done. Last Error: {_kind(error)}::{error.message}"
    final = core_execution_pb2.ExecutionError()
    final.CopyFrom(error)
    final.ClearField("timestamp")  # Flyte's has no time: PhaseInfoFailure gets kind, code and message.
    final.code = f"RetriesExhausted|{error.code}"
    final.message = error_text.shortened(text)
    final.kind = USER
    return final
