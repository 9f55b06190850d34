"""Reads: an execution, its nodes, tasks, data and times; lists with filters and pages; the same over HTTP."""

import httpx
from case import Case, Run
from flyteidl.admin import common_pb2, execution_pb2, task_execution_pb2
from flytekit import task, workflow


@task
def add(a: int, b: int) -> int:
    return a + b


@workflow
def read_back(a: int) -> int:
    return add(a=add(a=a, b=1), b=2)


def over_the_remote(run: Run) -> None:
    execution = run.remote.sync_execution(run.remote.fetch_execution(name=run.id.name), sync_nodes=True)
    assert (execution.inputs["a"], execution.outputs["o0"]) == (1, 4)
    node = execution.node_executions["n1"]
    assert (node.inputs["a"], node.inputs["b"], node.outputs["o0"]) == (2, 2, 4)
    assert node.task_executions[0].outputs["o0"] == 4


def over_grpc(run: Run) -> None:
    place = common_pb2.NamedEntityIdentifier(project=run.id.project, domain=run.id.domain)
    by_name = common_pb2.ResourceListRequest(id=place, limit=1, filters=f"eq(execution_name,{run.id.name})")
    assert [found.id.name for found in run.admin.ListExecutions(by_name).executions] == [run.id.name]
    # Oldest first, so that executions launched by other tests do not move the pages.
    page = {"id": place, "limit": 1, "sort_by": common_pb2.Sort(key="created_at", direction=common_pb2.Sort.ASCENDING)}
    first = run.admin.ListExecutions(common_pb2.ResourceListRequest(**page))
    second = run.admin.ListExecutions(common_pb2.ResourceListRequest(**page, token=first.token))
    assert first.executions[0].id != second.executions[0].id
    (attempt,) = run.attempts("n0")
    data = run.admin.GetTaskExecutionData(task_execution_pb2.TaskExecutionGetDataRequest(id=attempt.id))
    assert data.full_inputs.literals["b"].scalar.primitive.integer == 1
    metrics = run.admin.GetExecutionMetrics(execution_pb2.WorkflowExecutionGetMetricsRequest(id=run.id, depth=10))
    assert metrics.span.spans[0].operation_id == "WORKFLOW_SETUP"


def over_http(run: Run) -> None:
    place, base = f"{run.id.project}/{run.id.domain}", f"{run.http_url}/api/v1"

    def get(path: str, **parameters: int) -> dict:
        return httpx.get(f"{base}/{path}", params=parameters).raise_for_status().json()

    assert get(f"executions/{place}/{run.id.name}")["closure"]["phase"] == "SUCCEEDED"
    outputs = get(f"data/executions/{place}/{run.id.name}")["fullOutputs"]["literals"]
    assert outputs["o0"]["scalar"]["primitive"]["integer"] == "4"
    listed = get(f"node_executions/{place}/{run.id.name}", limit=10)["nodeExecutions"]
    assert {node["id"]["nodeId"] for node in listed} == {"start-node", "n0", "n1", "end-node"}
    assert httpx.get(f"{base}/executions/{place}/nobody").status_code == 404


def everywhere(run: Run) -> None:
    over_the_remote(run)
    over_grpc(run)
    over_http(run)


CASES = [Case(read_back, {"a": 1}, {"o0": 4}, check=everywhere)]
