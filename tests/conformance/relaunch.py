"""Relaunch: a name that is taken, a relaunch with the same inputs, and requests that are refused before anything runs."""

import grpc
from case import ENDED, Case, Run, WorkflowPhase
from flyteidl.admin import execution_pb2
from flytekit import LaunchPlan, task, workflow
from flytekit.exceptions.user import FlyteInvalidInputException


@task
def add(a: int, b: int) -> int:
    return a + b


@workflow
def launched(a: int, b: int = 5) -> int:
    return add(a=a, b=b)


fixed = LaunchPlan.get_or_create(launched, "relaunch.fixed", fixed_inputs={"b": 7})


def again(run: Run) -> None:
    asked = execution_pb2.ExecutionRelaunchRequest(id=run.id, name=f"r{run.id.name[1:]}")
    relaunched = run.admin.RelaunchExecution(asked).id
    run.until(lambda: run.execution_of(relaunched).closure.phase in ENDED, "the end of the relaunched one")
    execution = run.execution_of(relaunched)
    assert execution.closure.phase == WorkflowPhase.SUCCEEDED
    assert execution.spec.metadata.mode == execution.spec.metadata.RELAUNCH
    assert execution.spec.metadata.reference_execution == run.id
    assert run.remote.sync_execution(run.remote.fetch_execution(name=relaunched.name)).outputs["o0"] == 7


def same_name_is_the_same_execution(run: Run) -> None:
    plan = run.remote.fetch_launch_plan(name="relaunch.fixed", version=run.version)
    found = run.remote.execute(plan, inputs={"a": 2}, execution_name=run.id.name)
    assert found.id.name == run.id.name
    request = execution_pb2.ExecutionCreateRequest(
        project=run.id.project, domain=run.id.domain, name=run.id.name, spec=run.execution.spec
    )
    try:
        run.admin.CreateExecution(request)
        raise AssertionError("one name was given twice")
    except grpc.RpcError as refused:
        assert refused.code() in (grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.INVALID_ARGUMENT)


def wrong_inputs_are_refused(run: Run) -> None:
    plan = run.remote.fetch_launch_plan(name="relaunch.launched", version=run.version)
    try:
        run.remote.execute(plan, inputs={})
        raise AssertionError("an input may be missing")
    except FlyteInvalidInputException as refused:
        assert "expected_inputs a missing" in str(refused)


def fixed_inputs_stay(run: Run) -> None:
    plan = run.remote.fetch_launch_plan(name="relaunch.fixed", version=run.version)
    request = execution_pb2.ExecutionCreateRequest(
        project=run.id.project,
        domain=run.id.domain,
        spec=execution_pb2.ExecutionSpec(launch_plan=plan.id.to_flyte_idl()),
        inputs=run.admin.GetExecutionData(execution_pb2.WorkflowExecutionGetDataRequest(id=run.id)).full_inputs,
    )
    try:
        run.admin.CreateExecution(request)
        raise AssertionError("a fixed input was changed")
    except grpc.RpcError as refused:
        assert refused.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert refused.details() == "invalid input b"


def names_and_inputs_count(run: Run) -> None:
    same_name_is_the_same_execution(run)
    wrong_inputs_are_refused(run)
    fixed_inputs_stay(run)


CASES = [
    Case(launched, {"a": 2}, {"o0": 7}, check=again),
    Case(fixed, {"a": 2}, {"o0": 9}, check=names_and_inputs_count),
]
