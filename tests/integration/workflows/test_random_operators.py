"""Random graphs whose operator pauses, resumes, edits, retries and skips at random, against the reference interpreter.

Pauses and limits change when a node runs and never how it ends. Where failures are held, each held node is skipped,
after a retry if the case says so, and the graph then runs to its end.
"""

import asyncio
import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError

from flytetemporal.contracts import payloads
from flytetemporal.contracts.v1 import execution_pb2, graph_pb2, operations_pb2
from flytetemporal.idl import phases
from tests.fixtures.engine_runs import EngineRuns, int_map, integer
from tests.fixtures.waiting import HANG_SECONDS
from tests.integration.workflows import test_holds, test_pauses
from tests.integration.workflows import test_random_graphs as graphs
from tests.integration.workflows.test_aborts import Handle
from tests.integration.workflows.test_edits import Editor
from tests.integration.workflows.test_random_graphs import CARRY_ON, Case, End, Failure, Reference, Spec

# With which every held node ends.
SKIPPED = test_holds.SKIPPED.literals["o0"].scalar.primitive.integer
ENDS = {"SUCCEEDED", "FAILED", "ABORTED", "SKIPPED", "TIMED_OUT", "RECOVERED"}
# Ids of nodes below others, or their hashes.
BELOW = re.compile(r".*-\d+-.*|f[a-z1-6]{7}|f[a-z1-6]{13}")
ACTIONS = ("pause", "pause a node", "pause and stop", "resume", "limit")


@dataclass(frozen=True)
class Action:
    kind: str
    # Pauses of a node are of a node of the primary workflow.
    number: int
    seconds: float


@dataclass(frozen=True)
class Operated:
    case: Case
    actions: tuple[Action, ...]
    holds: bool
    retries: bool


actions = st.builds(Action, st.sampled_from(ACTIONS), st.integers(0, 3), st.sampled_from((0.0, 0.01, 0.05, 0.2)))
operated = st.builds(
    Operated, graphs.cases, st.lists(actions, min_size=1, max_size=6).map(tuple), st.booleans(), st.booleans()
)


class SkippingReference(Reference):
    """The ends of nodes of a run that holds failures, and whose operator skips what is held."""

    def _node(self, nodes: tuple[Spec, ...], i: int, node_id: str, value: int, ends: list[End]) -> int | Failure:
        return _skipped(super()._node(nodes, i, node_id, value, ends))

    def _branch(self, spec: Spec, spec_id: str, node_id: str, given: int) -> int | Failure:
        end = super()._branch(spec, spec_id, node_id, given)
        # Of a branch that has chosen a case, the node of the case is held.
        self.phases = {name: "SUCCEEDED" if phase == "FAILED" else phase for name, phase in self.phases.items()}
        return _skipped(end)


def _skipped(end: int | Failure) -> int:
    return SKIPPED if isinstance(end, Failure) else end


async def slowly(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
    await asyncio.sleep(0.02)  # Otherwise hardly a pause would find an attempt that runs.
    return await graphs.scripted(attempt)


@contextlib.contextmanager
def unless_ended() -> Iterator[None]:
    """Ignore that a run has ended or continued as new, and that a node is held no more: the loop looks again."""
    with contextlib.suppress(RPCError, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError):
        yield


async def operate(handle: Handle, given: Operated) -> None:
    """Do what the operator does, and resume everything at the end."""
    operator, editor = test_pauses.Operator(handle), Editor(handle)
    for action in given.actions:
        await asyncio.sleep(action.seconds)
        with unless_ended():
            match action.kind:
                case "pause":
                    await operator.pause()
                case "pause a node":
                    await operator.pause(f"n{action.number}")
                case "pause and stop":
                    await operator.pause(stop_running=True)
                case "resume":
                    await operator.resume()
                case _:
                    await editor.max_parallelism(action.number)
    with unless_ended():
        await operator.resume()


async def decide(handle: Handle, given: Operated) -> None:
    """End what is held, until this is cancelled."""
    editor, retried = Editor(handle), set()
    while True:
        waits = operations_pb2.Waits()
        with unless_ended():
            waits = await editor.waits()
        for wait in waits.waits:
            if wait.WhichOneof("cause") != "hold":
                continue
            with unless_ended():
                if given.retries and wait.node_id not in retried:
                    retried.add(wait.node_id)
                    await editor.retry(wait.node_id)
                else:
                    await editor.skip(wait.node_id)
        await asyncio.sleep(0.05)


async def run(address: str, given: Operated) -> None:
    case = given.case
    runs = EngineRuns(await Client.connect(address, data_converter=payloads.DATA_CONVERTER))
    runs.default_script = slowly
    runs.signals = {
        "number": integer(graphs.SIGNAL_VALUE),
        "approve": graphs.boolean(True),
        "reject": graphs.boolean(False),
    }
    reference = SkippingReference() if given.holds else Reference()
    expected = reference.level(case.nodes, 1, failure_node=case.failure_node)
    runs.children.update({ends: graphs.child(ends) for ends in graphs.TASK_ENDS})
    runs.history_events = case.history_events
    dynamic: dict[str, graph_pb2.Graph] = {}
    walked = graphs.graph(case, dynamic)
    runs.dynamic.update(dynamic)

    async with runs.workers():
        handle = await runs.start(walked, int_map(a=1), settings=test_holds.HOLD if given.holds else None)
        deciding = asyncio.create_task(decide(handle, given))
        try:
            async with asyncio.timeout(HANG_SECONDS):
                await operate(handle, given)
                phase = await runs.wait(handle)
        finally:
            deciding.cancel()

    runs.only(handle)
    if any(action.kind == "pause and stop" for action in given.actions):
        forget_unless_reported(reference, runs)
    check(runs, case, reference, expected, phase)


def forget_unless_reported(reference: Reference, runs: EngineRuns) -> None:
    """Forget nodes below others that have not run under their id.

    A dynamic node whose first attempt was stopped generates its workflow in the next one, whose nodes have other ids.
    """
    reported = runs.phases()
    reference.phases = {
        name: phase for name, phase in reference.phases.items() if name in reported or not BELOW.fullmatch(name)
    }


def check(runs: EngineRuns, case: Case, reference: Reference, expected: int | Failure, phase: str) -> None:
    """Check the ends of the execution and of all nodes, and that no node has ended in two ways.

    A signal that arrives as a run ends repeats the workflow task, with its last report: as for admin, the first counts.
    """
    reported = {name: phases for name, phases in runs.phases().items() if not name.endswith("start-node")}
    if sum(event.phase in phases.WORKFLOW_TERMINAL for event in runs.workflow_events) == 1:
        assert all(len(ENDS.intersection(found)) == 1 for found in reported.values()), reported
    ends = {name: next(end for end in found if end in ENDS) for name, found in reported.items()}
    ends = {name: end for name, end in ends.items() if name in reference.phases or end != "SUCCEEDED"}
    if isinstance(expected, int):
        assert (phase, runs.outputs()) == ("SUCCEEDED", int_map(o0=expected))
        assert ends == reference.phases
    elif case.policy == CARRY_ON:
        assert (phase, ends) == ("FAILED", reference.phases)
    else:
        assert phase == "FAILED"
        graphs.check_stopped_early(ends, reference.phases, case)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=operated)
def test_an_operator_changes_when_nodes_run_and_how_they_end_only_by_skipping(
    temporal_address: str, case: Operated
) -> None:
    asyncio.run(run(temporal_address, case))
