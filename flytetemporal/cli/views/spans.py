"""The spans of an execution as a tree, and the part of its time that is the engine's own."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from flyteidl.core import identifier_pb2, metrics_pb2
from google.protobuf import timestamp_pb2

from flytetemporal.cli.views import moments
from flytetemporal.contracts.v1 import pauses_pb2, records_pb2

# The spans in which the user's code ran, or the execution waited for what the user had asked it to wait for.
_USERS = ("TASK_RUNTIME", "NODE_IDLE")
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Share:
    """Where the time of an execution went, in seconds: ``starting``, ``paused`` and ``engine`` are parts of ``total``.

    In ``starting`` nothing ran, but processes of tasks started and imported their code. In ``paused`` not even that,
    while an operator kept what was next from starting. ``engine`` is the rest of the time in which nothing ran.
    """

    total: float
    starting: float
    paused: float
    engine: float

    @property
    def percent(self) -> float:
        """The engine's own part of the whole."""
        return 100 * self.engine / self.total if self.total else 0.0


def rows(span: metrics_pb2.Span, depth: int) -> Iterator[tuple[str, str, str]]:
    """Yield name, start and duration of each span, ``depth`` levels deep; a level is indented by two spaces."""
    start = span.start_time
    yield from _rows(span, start, 0, depth)


def _rows(
    span: metrics_pb2.Span, start: timestamp_pb2.Timestamp, level: int, depth: int
) -> Iterator[tuple[str, str, str]]:
    name = "  " * level + _name(span)
    yield name, "+" + since(start, span.start_time), since(span.start_time, span.end_time)
    if level < depth:
        for child in span.spans:
            yield from _rows(child, start, level + 1, depth)


def _name(span: metrics_pb2.Span) -> str:
    kind = span.WhichOneof("id")
    if kind == "workflow_id":
        return str(span.workflow_id.name)
    if kind == "node_id":
        return str(span.node_id.node_id)
    if kind == "task_id":
        return f"attempt {span.task_id.retry_attempt}"
    return str(span.operation_id)


def time_rows(times: Iterable[records_pb2.NodeTimes], start: timestamp_pb2.Timestamp) -> Iterator[tuple[str, ...]]:
    """Yield node, attempt and when it was queued, then how long it was in each state; empty where that is unknown.

    Of an element of a map task it is known since when it was dispatched.
    """
    for row in times:
        stages = [row.queued, row.dispatched, row.started, row.running, row.ended, row.reported]
        is_element = row.HasField("element")
        yield (
            f"{row.node_id} [{row.element}]" if is_element else row.node_id,
            str(row.attempt) if row.HasField("attempt") else "",
            "+" + since(start, row.dispatched if is_element else row.queued),
            *(_lasted(stages, position) for position in range(len(stages) - 1)),
        )


def _lasted(stages: list[timestamp_pb2.Timestamp], position: int) -> str:
    """Return how long a state lasted: until the next one that is known."""
    if not stages[position].ByteSize():
        return ""
    following = next((stage for stage in stages[position + 1 :] if stage.ByteSize()), None)
    return since(stages[position], following) if following is not None else ""


def since(start: timestamp_pb2.Timestamp, end: timestamp_pb2.Timestamp) -> str:
    """Return the time between two moments."""
    return moments.seconds((end.ToNanoseconds() - start.ToNanoseconds()) / _SECOND)


def engine_share(span: metrics_pb2.Span, times: records_pb2.NodeTimesResponse, *, is_running: bool = False) -> Share:
    """Return how long the engine alone was busy: no attempt had been taken by a worker, no gate waited for the user.

    No operator had paused what would have run either. The span of an execution that ``is_running`` ends with its start,
    so there the time is that until its newest event.
    """
    begin = span.start_time.ToNanoseconds()
    end = _latest(span, times.nodes) if is_running else span.end_time.ToNanoseconds()
    waited = list(_users(span))
    running = _covered([*waited, *_attempts(times.nodes, end, from_start=False)], begin, end)
    busy = [*waited, *_attempts(times.nodes, end, from_start=True)]
    taken = _covered(busy, begin, end)
    explained = _covered([*busy, *_paused(span.workflow_id, times, end)], begin, end)
    total = max(0, end - begin)
    parts = (total, taken - running, explained - taken, total - explained)
    return Share(*(part / _SECOND for part in parts))


def _paused(
    execution: identifier_pb2.WorkflowExecutionIdentifier, times: records_pb2.NodeTimesResponse, end: int
) -> Iterator[tuple[int, int]]:
    """Yield when pauses kept what was next from starting; a pause that was not ended lasts until ``end``."""
    for pause in times.pauses:
        of = pause.target
        since = pause.since.ToNanoseconds()
        until = pause.until.ToNanoseconds() if pause.HasField("until") else end
        is_own = (of.project, of.domain, of.name) == (execution.project, execution.domain, execution.name)
        if of.kind == pauses_pb2.PauseTarget.NODE and is_own:  # A node of an execution above is this one as a whole.
            yield from _without(since, until, _on_their_way(times.nodes, of.node_id))
        else:
            yield since, until


def _on_their_way(times: Iterable[records_pb2.NodeTimes], paused: str) -> Iterator[tuple[int, int]]:
    """Yield when the engine was bringing a node to run that is neither the paused one nor below it."""
    for row in times:
        if row.node_id != paused and not row.node_id.startswith(f"{paused}-") and not row.HasField("element"):
            following = row.started if row.HasField("started") else row.running
            if row.HasField("queued") and following.ByteSize():
                yield row.queued.ToNanoseconds(), following.ToNanoseconds()


def _without(begin: int, end: int, others: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the parts of the time from ``begin`` to ``end`` that are in none of the other intervals."""
    for first, last in sorted(others):
        if first > begin:
            yield begin, min(first, end)
        begin = max(begin, last)
        if begin >= end:
            return
    yield begin, end


def _latest(span: metrics_pb2.Span, times: Sequence[records_pb2.NodeTimes]) -> int:
    """Return the newest moment of an execution that runs."""
    moments_known = [span.end_time.ToNanoseconds(), *(_latest(child, ()) for child in span.spans)]
    for row in times:
        moments_known += [stage.ToNanoseconds() for stage in (row.queued, row.started, row.running, row.ended)]
    return max(moments_known)


def _covered(intervals: Iterable[tuple[int, int]], begin: int, end: int) -> int:
    """Return how much of the time from ``begin`` to ``end`` is in at least one interval."""
    covered, reached = 0, begin
    for first, last in sorted(intervals):
        covered += max(0, min(last, end) - max(first, reached))
        reached = max(reached, min(last, end))
    return covered


def _users(span: metrics_pb2.Span) -> Iterator[tuple[int, int]]:
    if span.operation_id in _USERS:
        yield span.start_time.ToNanoseconds(), span.end_time.ToNanoseconds()
    for child in span.spans:
        yield from _users(child)


def _attempts(times: Iterable[records_pb2.NodeTimes], end: int, *, from_start: bool) -> Iterator[tuple[int, int]]:
    # Flyte's tree has no spans below a map task; its attempt runs while its elements do, which count with it.
    for row in times:
        if not row.HasField("element") and row.HasField("attempt") and row.HasField("running"):
            last = row.ended.ToNanoseconds() if row.HasField("ended") else end
            first = row.started if from_start and row.HasField("started") else row.running
            yield min(first.ToNanoseconds(), row.running.ToNanoseconds()), last
