"""Edits of a run by operators, one at a time: each is checked, applied, counted and answered in one step.

Temporal delivers an edit as an update. It repeats none within a run; a client that repeats its request in the next run
finds the answer among those that the run has kept.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from typing import TypeAlias

from flyteidl.core import tasks_pb2
from google.protobuf import wrappers_pb2
from temporalio import workflow

from flytetemporal.contracts import resources
from flytetemporal.contracts.v1 import edits_pb2, execution_pb2
from flytetemporal.errors import Conflict, FailedPrecondition, InvalidRequest, NotFound
from flytetemporal.workflows.operators.holds import FAIL, HOLD, Holds
from flytetemporal.workflows.run_state import Standing
from flytetemporal.workflows.versions import Patch

# Answers that are kept for requests that are repeated in a later run.
ANSWERS = 100
# The edits are part of the start argument of the next run, which stays below 512 kB.
MAX_BYTES = 64 * 1024


StandingOf: TypeAlias = Callable[[str], Standing]
"""Returns where a node stands."""
_UNCHANGED = edits_pb2.NodeChanges()
_CHANGEABLE = ("retries", "timeout", "resources", "max_parallelism")
_EDITABLE = (Standing.WAITING, Standing.PAUSING, Standing.HELD)
_TEXTS = {
    Standing.WAITING: "has not started",
    Standing.RUNNING: "runs",
    Standing.PAUSING: "waits for its next attempt",
    Standing.HELD: "is held",
    Standing.ENDED: "has ended",
}


class Edits:
    """The edits of one execution."""

    def __init__(self) -> None:
        self._holds = Holds()
        self._revision = 0
        self._on_failure = ""
        self._max_parallelism: wrappers_pb2.UInt32Value | None = None
        self._changes: dict[str, edits_pb2.NodeChanges] = {}
        self._retries: dict[str, None] = {}
        self._skips: dict[str, edits_pb2.SkippedNode] = {}
        self._answered: dict[str, edits_pb2.AnsweredEdit] = {}
        self._standing: StandingOf | None = None
        self._resize: Callable[[int], None] = _ignore
        self._forget_memory: Callable[[str], None] = _ignore
        # Lists, not sets: arrays take over changes in the same order on every replay.
        self._followers: dict[str, list[Callable[[], None]]] = {}

    def begin(self, argument: execution_pb2.ExecutionInput) -> None:
        """Start with what earlier runs of the execution were asked to do."""
        earlier = argument.edits
        if earlier.revision < self._revision:  # A shard that heard of a change before it started.
            return
        self._revision = earlier.revision
        self._on_failure = earlier.on_failure or argument.settings.on_failure
        self._max_parallelism = earlier.max_parallelism if earlier.HasField("max_parallelism") else None
        self._changes = {changes.node_id: changes for changes in earlier.changes}
        self._retries = dict.fromkeys(earlier.retries)
        self._skips = {skip.node_id: skip for skip in earlier.skips}
        self._answered = {answered.request_id: answered for answered in earlier.answered}

    def open(self, standing: StandingOf, resize: Callable[[int], None], forget_memory: Callable[[str], None]) -> None:
        """Accept edits from now on.

        ``resize`` changes ``max_parallelism``; ``forget_memory`` takes back what a node got after it ran out of memory.
        """
        self._standing, self._resize, self._forget_memory = standing, resize, forget_memory

    @property
    def is_open(self) -> bool:
        """Whether the run knows its nodes, so that edits can be checked."""
        return self._standing is not None

    @property
    def revision(self) -> int:
        """The number of edits so far."""
        return self._revision

    @property
    def message(self) -> edits_pb2.Edits:
        """The edits, for the next run."""
        return edits_pb2.Edits(
            revision=self._revision,
            on_failure=self._on_failure,
            max_parallelism=self._max_parallelism,
            changes=list(self._changes.values()),
            retries=list(self._retries),
            skips=list(self._skips.values()),
            answered=list(self._answered.values()),
        )

    def of_shard(self, node_id: str, window: int) -> edits_pb2.Edits:
        """Return what a shard of an array needs to know; ``window`` of its elements run at once."""
        found = edits_pb2.Edits(revision=self._revision)
        if node_id in self._changes:
            found.changes.add().CopyFrom(self._changes[node_id])
            found.changes[0].max_parallelism.value = window
        return found

    def take_over(self, given: edits_pb2.Edits) -> None:
        """Take over what the execution passes on to a shard; late and repeated deliveries change nothing."""
        if given.revision > self._revision:
            self._revision = given.revision
            self._changes = {changes.node_id: changes for changes in given.changes}
            for changes in given.changes:
                self._notify(changes.node_id)

    @contextlib.contextmanager
    def followed(self, node_id: str, follow: Callable[[], None]) -> Iterator[None]:
        """Accept changes of an array while it runs, and call ``follow`` after each, while the block runs."""
        followers = self._followers.setdefault(node_id, [])
        followers.append(follow)
        try:
            yield
        finally:
            followers.remove(follow)
            if not followers:
                del self._followers[node_id]

    def _notify(self, node_id: str) -> None:
        for follow in list(self._followers.get(node_id, ())):
            follow()

    # What nodes ask.

    def max_parallelism(self, launched_with: int) -> int:
        """Return how many nodes may run at once; 0: no limit."""
        return launched_with if self._max_parallelism is None else self._max_parallelism.value

    def changes(self, node_id: str) -> edits_pb2.NodeChanges:
        """Return what was changed of a node; the elements of an array have the changes of the array."""
        return self._changes.get(node_id, _UNCHANGED)

    @property
    def holds_failures(self) -> bool:
        """Whether a node that would fail waits for an operator."""
        return self._on_failure == HOLD

    async def decided(self, node_id: str) -> None:
        """Return when a held node is to run again or to be skipped, or when failures are no longer held."""
        with self._holds.holding(node_id):
            await self._holds.decided(
                node_id, lambda: not self.holds_failures or node_id in self._skips or node_id in self._retries
            )

    def take_retry(self, node_id: str) -> bool:
        """Return whether a held node is to run again, once per request."""
        if node_id not in self._retries:
            return False
        del self._retries[node_id]
        return True

    def take_skip(self, node_id: str) -> edits_pb2.SkippedNode | None:
        """Return the outputs with which a node ends now instead of running; None: it runs."""
        return self._skips.pop(node_id, None)

    def will_skip(self, node_id: str) -> bool:
        """Whether a node that waits ends with given outputs when its turn comes."""
        return node_id in self._skips

    # What operators ask.

    def check(self, command: edits_pb2.EditCommand) -> edits_pb2.EditResponse | None:
        """Check an edit, change nothing; return the answer if the same request was answered before.

        Raises:
            InvalidRequest: the edit asks for nothing, or its request id was used for another one.
            Conflict: another edit came first.
            NotFound: the node does not exist.
            FailedPrecondition: the node is not in a state for this.
        """
        answered = self._answered.get(command.request_id)
        if answered is not None:
            if answered.digest != _digest(command):
                raise InvalidRequest(
                    f"request {command.request_id} was used for another edit; give each edit a request id of its own"
                )
            return answered.response
        if command.HasField("expected_revision") and command.expected_revision.value != self._revision:
            raise Conflict(
                f"another edit came first: the execution is at revision {self._revision}, not at "
                f"{command.expected_revision.value}; look at it again, then repeat the edit with the new revision"
            )
        match command.WhichOneof("edit"):
            case "execution":
                self._check_execution(command.execution)
            case "node":
                self._check_node(command.node)
            case "retry":
                self._check_retry(command.retry.node_id)
            case "skip":
                self._check_skip(command.skip)
            case _:
                raise InvalidRequest("the edit asks for nothing; set execution, node, retry or skip")
        return None

    def apply(self, command: edits_pb2.EditCommand) -> edits_pb2.EditResponse:
        """Apply an edit and return its answer. Raises what ``check`` raises; it has changed nothing then."""
        # Checked again: nodes can have started since the validator looked.
        answer = self.check(command)
        if answer is not None:
            return answer
        match command.WhichOneof("edit"):
            case "execution":
                self._apply_execution(command.execution)
            case "node":
                self._check_patch(command.node.node_id)
                self._apply_node(command.node)
            case "retry":
                self._retries[command.retry.node_id] = None
                self._holds.wake(command.retry.node_id)
            case "skip":
                self._skips[command.skip.node_id] = command.skip
                self._holds.wake(command.skip.node_id)
            case _:  # ``check`` has refused it.
                pass
        self._revision += 1
        if command.HasField("node"):
            self._notify(command.node.node_id)
        return self._answer(command)

    def _apply_execution(self, edit: edits_pb2.ExecutionEdit) -> None:
        if edit.HasField("max_parallelism"):
            self._max_parallelism = edit.max_parallelism
            self._resize(edit.max_parallelism.value)
        if edit.on_failure:
            self._on_failure = edit.on_failure
            self._holds.wake_all()

    def _apply_node(self, edit: edits_pb2.NodeChanges) -> None:
        changes = self._changes.setdefault(edit.node_id, edits_pb2.NodeChanges(node_id=edit.node_id))
        for name in ("retries", "timeout", "max_parallelism"):
            if edit.HasField(name):
                getattr(changes, name).CopyFrom(getattr(edit, name))
        if edit.HasField("resources"):
            changes.resources.CopyFrom(resources.merged(changes.resources, edit.resources))
            if any(entry.name == tasks_pb2.Resources.MEMORY for entry in edit.resources.requests):
                self._forget_memory(edit.node_id)

    def _answer(self, command: edits_pb2.EditCommand) -> edits_pb2.EditResponse:
        response = edits_pb2.EditResponse(revision=self._revision)
        self._answered[command.request_id] = edits_pb2.AnsweredEdit(
            request_id=command.request_id, digest=_digest(command), response=response
        )
        while len(self._answered) > ANSWERS:
            del self._answered[next(iter(self._answered))]
        return response

    def _check_execution(self, edit: edits_pb2.ExecutionEdit) -> None:
        if not edit.on_failure and not edit.HasField("max_parallelism"):
            raise InvalidRequest("the edit of the execution changes nothing; set max_parallelism or on_failure")
        if edit.on_failure not in ("", HOLD, FAIL):
            raise InvalidRequest(f"on_failure is {HOLD} or {FAIL}, not [{edit.on_failure}]")

    def _check_node(self, edit: edits_pb2.NodeChanges) -> None:
        standing = self._known(edit.node_id)
        if not any(edit.HasField(name) for name in _CHANGEABLE):
            raise InvalidRequest(f"the edit changes nothing of node {edit.node_id}; set retries, timeout or resources")
        if standing not in _EDITABLE and edit.node_id not in self._followers:
            raise self._not_editable(edit.node_id, standing)
        self._check_room(edit.ByteSize(), edit.node_id)

    def _check_patch(self, node_id: str) -> None:
        """Refuse what a worker without the patch has refused: a replay must not change the array then."""
        standing = self._known(node_id)
        if standing not in _EDITABLE and not workflow.patched(Patch.EDITS_OF_RUNNING_ARRAYS):
            raise self._not_editable(node_id, standing)

    def _not_editable(self, node_id: str, standing: Standing) -> FailedPrecondition:
        return FailedPrecondition(
            f"node {node_id} {_TEXTS[standing]}; only nodes that have not started, are held or wait for their next "
            "attempt, and map tasks that run, can be changed"
        )

    def _check_room(self, size: int, node_id: str) -> None:
        if self.message.ByteSize() + size > MAX_BYTES:
            raise FailedPrecondition(
                f"the edits of the execution would need more than {MAX_BYTES} bytes with that of node {node_id}; "
                "skip with smaller outputs, or when nodes that are to be skipped have ended"
            )

    def _check_retry(self, node_id: str) -> None:
        standing = self._undecided(node_id)
        if standing is Standing.HELD:
            return
        advice = ""
        if standing is Standing.ENDED:
            advice = "; launch with on-failure: hold to retry nodes that fail while the rest of the run continues"
        raise FailedPrecondition(f"node {node_id} {_TEXTS[standing]}; only held nodes can be retried{advice}")

    def _check_skip(self, skip: edits_pb2.SkippedNode) -> None:
        node_id = skip.node_id
        standing = self._undecided(node_id)
        if standing not in (Standing.HELD, Standing.WAITING):
            raise FailedPrecondition(
                f"node {node_id} {_TEXTS[standing]}; only nodes that are held or have not started can be skipped"
            )
        self._check_room(skip.ByteSize(), node_id)

    def _undecided(self, node_id: str) -> Standing:
        standing = self._known(node_id)
        if node_id in self._retries or node_id in self._skips:
            raise FailedPrecondition(f"node {node_id} was retried or skipped already")
        return standing

    def _known(self, node_id: str) -> Standing:
        if not node_id:
            raise InvalidRequest("the edit names no node; set node_id")
        standing = self._standing(node_id) if self._standing is not None else Standing.UNKNOWN
        if standing is Standing.UNKNOWN:
            raise NotFound(
                f"the execution has no node {node_id}, or a node above it has not generated it yet; "
                f"see the nodes that have not ended with: flytetemporal why{self._hint(node_id)}"
            )
        return standing

    def _hint(self, node_id: str) -> str:
        """Return what to do if a node is an element of an array; empty if there is no node above it."""
        above = node_id.rpartition("-")[0].rpartition("-")[0]
        if self._standing is None or not above or self._standing(above) is Standing.UNKNOWN:
            return ""
        return f". Elements of a map task cannot be changed one by one: if {node_id} is one, name {above}"


def _digest(command: edits_pb2.EditCommand) -> str:
    return hashlib.sha256(command.SerializeToString(deterministic=True)).hexdigest()


def _ignore(_: object) -> None:
    """Do nothing: a shard of an array has no slots of nodes and takes no edits."""
