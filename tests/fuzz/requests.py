"""Valid requests, to be mutated: one or more for every RPC whose checks a random message never gets past."""

from collections.abc import Callable

from flyteidl.admin import (
    common_pb2,
    event_pb2,
    execution_pb2,
    launch_plan_pb2,
    matchable_resource_pb2,
    node_execution_pb2,
    project_attributes_pb2,
    project_domain_attributes_pb2,
    project_pb2,
    signal_pb2,
    task_execution_pb2,
    workflow_attributes_pb2,
)
from flyteidl.core import identifier_pb2, literals_pb2, tasks_pb2, types_pb2
from flyteidl.core import workflow_pb2 as core_workflow_pb2
from flyteidl.event import event_pb2 as core_event_pb2
from flyteidl.service import dataproxy_pb2
from google.protobuf import duration_pb2, timestamp_pb2
from google.protobuf.message import Message

from flytetemporal.contracts.v1 import (
    artifacts_pb2,
    edits_pb2,
    events_pb2,
    fork_pb2,
    notifications_pb2,
    operations_pb2,
    records_pb2,
)
from tests.fixtures import registrations
from tests.fixtures.registrations import DOMAIN, INT, PROJECT, identifier, integer, listing, scope, variables

EXECUTION = identifier_pb2.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name="fuzzed")
NODE = identifier_pb2.NodeExecutionIdentifier(execution_id=EXECUTION, node_id="n0")
MEMORY = fork_pb2.NodeResource(node_id="n0", resource="memory", quantity="1Gi")
TASK = identifier_pb2.TaskExecutionIdentifier(task_id=identifier("TASK", "t"), node_execution_id=NODE)
NOW = timestamp_pb2.Timestamp(seconds=1_790_000_000)
RESOURCES = tasks_pb2.Resources(requests=[tasks_pb2.Resources.ResourceEntry(name="CPU", value="500m")])


def echo(name: str) -> Message:
    """Return the registration of a task that the engine runs by itself."""
    request = registrations.task(name, kind="echo")
    request.spec.template.ClearField("container")
    return request


def rich_task() -> Message:
    """Return a task with most of what a task can have."""
    request = registrations.task("rich")
    template = request.spec.template
    template.container.resources.CopyFrom(RESOURCES)
    template.container.env.add(key="A", value="b")
    template.metadata.timeout.CopyFrom(duration_pb2.Duration(seconds=10))
    template.metadata.retries.retries = 1
    template.custom.update({"a": 1.5, "b": ["c", {"d": None}]})
    schema = types_pb2.LiteralType(simple=types_pb2.STRUCT)
    schema.metadata.update({"$ref": "#/definitions/A", "definitions": {"A": {"type": "object", "properties": {}}}})
    union = types_pb2.LiteralType(union_type=types_pb2.UnionType(variants=[INT, schema]))
    for name, kind in {"s": schema, "u": union, "l": types_pb2.LiteralType(collection_type=union)}.items():
        template.interface.inputs.variables[name].type.CopyFrom(kind)
    request.spec.description.short_description = "short"
    request.spec.description.long_description.value = "long"
    return request


def rich_workflow() -> Message:
    """Return a workflow with nodes of several kinds."""
    task_node = registrations.node("n0", "echoes")
    gate = core_workflow_pb2.Node(id="n1", upstream_node_ids=["n0"])
    gate.gate_node.sleep.duration.seconds = 1
    branch = core_workflow_pb2.Node(id="n2", inputs=task_node.inputs)
    case = branch.branch_node.if_else.case
    case.condition.comparison.left_value.var = "a"
    case.condition.comparison.right_value.primitive.integer = 1
    case.then_node.CopyFrom(registrations.node("n3", "echoes"))
    branch.branch_node.if_else.error.message = "no"
    request = registrations.workflow("rich", nodes=[task_node, gate, branch])
    request.spec.template.outputs.add(var="o").binding.scalar.primitive.integer = 1
    request.spec.template.interface.outputs.CopyFrom(variables(o=INT))
    return request


def launch(name: str = "") -> execution_pb2.ExecutionCreateRequest:
    """Return a launch of the workflow ``w`` with most of what a launch can say."""
    spec = execution_pb2.ExecutionSpec(
        launch_plan=identifier("LAUNCH_PLAN", "w"),
        labels=common_pb2.Labels(values={"team": "ml"}),
        annotations=common_pb2.Annotations(
            values={"flytetemporal.io/timeout": "10s", "flytetemporal.io/webhooks": "[]"}
        ),
        max_parallelism=2,
        tags=["nightly"],
    )
    spec.envs.values.add(key="A", value="b")
    spec.raw_output_data_config.output_location_prefix = ""
    inputs = literals_pb2.LiteralMap(literals={"a": integer(1)})
    return execution_pb2.ExecutionCreateRequest(project=PROJECT, domain=DOMAIN, name=name, spec=spec, inputs=inputs)


def workflow_event() -> event_pb2.WorkflowExecutionEventRequest:
    """Return an event of the execution."""
    event = core_event_pb2.WorkflowExecutionEvent(execution_id=EXECUTION, phase="RUNNING", occurred_at=NOW)
    return event_pb2.WorkflowExecutionEventRequest(request_id="r", event=event)


def node_event() -> event_pb2.NodeExecutionEventRequest:
    """Return an event of a node."""
    event = core_event_pb2.NodeExecutionEvent(
        id=NODE, phase="RUNNING", occurred_at=NOW, input_uri="/tmp/inputs.pb", spec_node_id="n0"
    )
    event.error.message = "broken"
    event.task_node_metadata.checkpoint_uri = "/tmp/checkpoint"
    return event_pb2.NodeExecutionEventRequest(request_id="r", event=event)


def task_event() -> event_pb2.TaskExecutionEventRequest:
    """Return an event of an attempt."""
    event = core_event_pb2.TaskExecutionEvent(
        task_id=TASK.task_id,
        parent_node_execution_id=NODE,
        phase="RUNNING",
        occurred_at=NOW,
        input_uri="/tmp/inputs.pb",
    )
    event.logs.add(uri="http://localhost/log", name="log")
    event.custom_info.update({"a": 1})
    event.metadata.generated_name = "name"
    return event_pb2.TaskExecutionEventRequest(request_id="r", event=event)


def batch() -> events_pb2.RecordEventsRequest:
    """Return a batch of all three."""
    return events_pb2.RecordEventsRequest(
        events=[
            events_pb2.Event(workflow=workflow_event().event),
            events_pb2.Event(node=node_event().event),
            events_pb2.Event(task=task_event().event),
        ]
    )


def attributes() -> matchable_resource_pb2.MatchingAttributes:
    """Return settings of every kind that one message can hold."""
    found = matchable_resource_pb2.MatchingAttributes()
    config = found.workflow_execution_config
    config.max_parallelism = 3
    config.annotations.values["flytetemporal.io/retry"] = "[]"
    config.envs.values.add(key="A", value="b")
    return found


def _entity_lists() -> list[Message]:
    return [listing("t"), listing(filters="eq(name,t)"), listing(limit=1, token="1")]


SETUP: tuple[tuple[str, Callable[[], Message]], ...] = (
    ("AdminService/CreateTask", lambda: echo("t")),
    ("AdminService/CreateTask", lambda: echo("echoes")),
    ("AdminService/CreateWorkflow", registrations.workflow),
    ("AdminService/CreateWorkflow", rich_workflow),
    ("AdminService/CreateLaunchPlan", registrations.plan),
    ("AdminService/CreateExecution", lambda: launch("fuzzed")),
)

VALID: dict[str, list[Message]] = {
    "AdminService/CreateTask": [registrations.task("fuzzed-task"), rich_task(), echo("fuzzed-echo")],
    "AdminService/CreateWorkflow": [registrations.workflow("fuzzed-workflow"), rich_workflow()],
    "AdminService/CreateLaunchPlan": [
        registrations.plan("fuzzed-plan", fixed={"a": integer(1)}),
        registrations.plan(
            "scheduled", schedule={"cron_schedule": {"schedule": "@daily"}, "kickoff_time_input_arg": "a"}
        ),
    ],
    "AdminService/UpdateLaunchPlan": [
        launch_plan_pb2.LaunchPlanUpdateRequest(id=identifier("LAUNCH_PLAN", "w"), state=launch_plan_pb2.ACTIVE)
    ],
    "AdminService/CreateExecution": [launch()],
    "AdminService/RelaunchExecution": [execution_pb2.ExecutionRelaunchRequest(id=EXECUTION)],
    "AdminService/UpdateExecution": [execution_pb2.ExecutionUpdateRequest(id=EXECUTION)],
    "AdminService/GetExecution": [execution_pb2.WorkflowExecutionGetRequest(id=EXECUTION)],
    "AdminService/GetExecutionData": [execution_pb2.WorkflowExecutionGetDataRequest(id=EXECUTION)],
    "AdminService/GetExecutionMetrics": [execution_pb2.WorkflowExecutionGetMetricsRequest(id=EXECUTION, depth=3)],
    "AdminService/ListExecutions": _entity_lists(),
    "AdminService/ListTasks": _entity_lists(),
    "AdminService/ListWorkflows": _entity_lists(),
    "AdminService/ListLaunchPlans": _entity_lists(),
    "AdminService/ListNodeExecutions": [
        node_execution_pb2.NodeExecutionListRequest(
            workflow_execution_id=EXECUTION, limit=10, filters="eq(phase,RUNNING)"
        )
    ],
    "AdminService/GetNodeExecution": [node_execution_pb2.NodeExecutionGetRequest(id=NODE)],
    "AdminService/GetNodeExecutionData": [node_execution_pb2.NodeExecutionGetDataRequest(id=NODE)],
    "AdminService/GetTaskExecutionData": [task_execution_pb2.TaskExecutionGetDataRequest(id=TASK)],
    "AdminService/ListTaskExecutions": [task_execution_pb2.TaskExecutionListRequest(node_execution_id=NODE, limit=10)],
    "AdminService/ListNodeExecutionsForTask": [
        node_execution_pb2.NodeExecutionForTaskListRequest(task_execution_id=TASK, limit=10)
    ],
    "AdminService/RegisterProject": [
        project_pb2.ProjectRegisterRequest(project=project_pb2.Project(id="fuzzed-project", name="fuzzed"))
    ],
    "AdminService/UpdateProject": [
        project_pb2.Project(id="flytetester", name="t", labels=common_pb2.Labels(values={"a": "b"}))
    ],
    "AdminService/CreateWorkflowEvent": [workflow_event()],
    "AdminService/CreateNodeEvent": [node_event()],
    "AdminService/CreateTaskEvent": [task_event()],
    "AdminService/UpdateProjectDomainAttributes": [
        project_domain_attributes_pb2.ProjectDomainAttributesUpdateRequest(
            attributes=project_domain_attributes_pb2.ProjectDomainAttributes(
                project="flytetester", domain="staging", matching_attributes=attributes()
            )
        )
    ],
    "AdminService/UpdateProjectAttributes": [
        project_attributes_pb2.ProjectAttributesUpdateRequest(
            attributes=project_attributes_pb2.ProjectAttributes(project="flytetester", matching_attributes=attributes())
        )
    ],
    "AdminService/UpdateWorkflowAttributes": [
        workflow_attributes_pb2.WorkflowAttributesUpdateRequest(
            attributes=workflow_attributes_pb2.WorkflowAttributes(
                project="flytetester", domain="staging", workflow="w", matching_attributes=attributes()
            )
        )
    ],
    "AdminService/UpdateNamedEntity": [
        common_pb2.NamedEntityUpdateRequest(
            resource_type="TASK", id=scope("t"), metadata=common_pb2.NamedEntityMetadata(description="d")
        )
    ],
    "AdminService/ListNamedEntities": [
        common_pb2.NamedEntityListRequest(resource_type="TASK", project=PROJECT, domain=DOMAIN, limit=10)
    ],
    "SignalService/GetOrCreateSignal": [
        signal_pb2.SignalGetOrCreateRequest(
            id=identifier_pb2.SignalIdentifier(signal_id="s", execution_id=EXECUTION), type=INT
        )
    ],
    "SignalService/SetSignal": [
        signal_pb2.SignalSetRequest(
            id=identifier_pb2.SignalIdentifier(signal_id="s", execution_id=EXECUTION), value=integer(1)
        )
    ],
    "SignalService/ListSignals": [signal_pb2.SignalListRequest(workflow_execution_id=EXECUTION, limit=5)],
    "DataProxyService/CreateUploadLocation": [
        dataproxy_pb2.CreateUploadLocationRequest(project=PROJECT, domain=DOMAIN, filename="f", content_md5=b"x" * 16)
    ],
    "DataProxyService/CreateDownloadLink": [
        dataproxy_pb2.CreateDownloadLinkRequest(artifact_type="ARTIFACT_TYPE_DECK", node_execution_id=NODE)
    ],
    "DataProxyService/CreateDownloadLocation": [dataproxy_pb2.CreateDownloadLocationRequest(native_url="/tmp/x")],
    "DataProxyService/GetData": [
        dataproxy_pb2.GetDataRequest(flyte_url="flyte://v1/flytesnacks/development/fuzzed/n0/i")
    ],
    "EventService/RecordEvents": [batch()],
    "OperationsService/Explain": [operations_pb2.ExplainRequest(execution_id=EXECUTION)],
    "OperationsService/GetHistory": [
        records_pb2.HistoryRequest(execution_id=EXECUTION, with_values=True),
        records_pb2.HistoryRequest(execution_id=EXECUTION, filler_key=bytes(32), kept=["large"]),
    ],
    "OperationsService/GetNodeTimes": [records_pb2.NodeTimesRequest(execution_id=EXECUTION)],
    "OperationsService/Fork": [
        fork_pb2.ForkRequest(execution_id=EXECUTION, request_id="r", resources=[MEMORY], plain_inputs='{"a": 2}'),
        fork_pb2.ForkRequest(
            execution_id=EXECUTION,
            from_nodes=["n0"],
            inputs=literals_pb2.LiteralMap(literals={"a": integer(2)}),
            version="v1",
            dry_run=True,
        ),
    ],
    "OperationsService/Edit": [
        edits_pb2.EditRequest(execution_id=EXECUTION, request_id="r", skip={"node_id": "n0", "json": '{"o0": 1}'}),
        edits_pb2.EditRequest(execution_id=EXECUTION, retry={"node_id": "n0"}, expected_revision={"value": 1}),
        edits_pb2.EditRequest(
            execution_id=EXECUTION,
            node={"node_id": "n0", "retries": {"value": 1}, "timeout": {"seconds": 9}, "resources": {"memory": "1Gi"}},
        ),
        edits_pb2.EditRequest(
            execution_id=EXECUTION, execution={"max_parallelism": {"value": 2}, "on_failure": "hold"}
        ),
    ],
    "OperationsService/ListOperatorActions": [edits_pb2.ListOperatorActionsRequest(execution_id=EXECUTION, limit=5)],
    "OperationsService/ListNotifications": [notifications_pb2.ListNotificationsRequest(execution_id=EXECUTION)],
    "OperationsService/SendTestNotification": [
        notifications_pb2.SendTestNotificationRequest(email="ada@example.com"),
        notifications_pb2.SendTestNotificationRequest(webhook={"url": "https://hooks.example.com/", "key": "default"}),
    ],
    "OperationsService/ListArtifacts": [
        artifacts_pb2.ListArtifactsRequest(
            project=PROJECT, domain=DOMAIN, name="model", partitions=["region=SEA"], time=NOW, limit=1
        )
    ],
    "OperationsService/GetLineage": [fork_pb2.LineageRequest(execution_id=EXECUTION)],
}
