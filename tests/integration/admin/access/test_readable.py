"""What handlers show and allow to whom, beyond what the fields of a request say."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx
import pytest
from flyteidl.admin import (
    execution_pb2,
    launch_plan_pb2,
    matchable_resource_pb2,
    project_attributes_pb2,
    project_pb2,
)
from flyteidl.admin import project_domain_attributes_pb2 as domain_attributes
from flyteidl.core import artifact_id_pb2, identifier_pb2, interface_pb2, literals_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.event import event_pb2
from flyteidl.service import dataproxy_pb2
from starlette.applications import Starlette

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.dataproxy import files
from flytetemporal.admin.dataproxy.links import DataProxy
from flytetemporal.admin.events import batches
from flytetemporal.admin.executions import workflow_executions
from flytetemporal.admin.notifications import operations
from flytetemporal.admin.registry import launch_plans, tasks, workflows
from flytetemporal.admin.settings import attributes, projects
from flytetemporal.auth import access
from flytetemporal.auth import identity as identities
from flytetemporal.auth.access import Access
from flytetemporal.auth.identity import Identity, Kind
from flytetemporal.auth.policies import Policies
from flytetemporal.auth.roles import Binding, Role, Scope, Subject
from flytetemporal.contracts.v1 import artifacts_pb2, events_pb2, notifications_pb2
from flytetemporal.errors import CompileFailed, InvalidRequest, NotFound, PermissionDenied
from flytetemporal.idl import times
from flytetemporal.storage.signing import Signer
from tests.fixtures import registrations

ADA = Identity("ada", "test", Kind.USER)
OWN = Scope("flytesnacks", "development")


@contextlib.contextmanager
def acting(role: Role = Role.VIEWER, *scopes: Scope) -> Iterator[None]:
    bindings = [Binding(Subject.parse("user:ada"), role, scope) for scope in scopes]
    with identities.acting_as(ADA), access.of(Access(ADA, Policies(bindings))):
        yield


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        ([], []),
        ([OWN], ["flytesnacks"]),
        ([OWN, Scope("flytetester")], ["flytesnacks", "flytetester"]),
        ([Scope()], ["flyteexamples", "flytesnacks", "flytetester"]),
    ],
)
async def test_projects_are_listed_of_which_a_domain_is_readable(
    deps: Dependencies, scopes: list[Scope], expected: list[str]
) -> None:
    await projects.register_defaults(deps)

    with acting(Role.VIEWER, *scopes):
        listed = await projects.list_projects(deps, project_pb2.ProjectListRequest(limit=10))

    assert [project.id for project in listed.projects] == expected


async def test_pages_of_projects_are_full(deps: Dependencies) -> None:
    """Because what may not be read is left out by the query."""
    await projects.register_defaults(deps)

    with acting(Role.VIEWER, OWN, Scope("flytetester")):
        first = await projects.list_projects(deps, project_pb2.ProjectListRequest(limit=1))
        second = await projects.list_projects(deps, project_pb2.ProjectListRequest(limit=1, token=first.token))

    assert [project.id for page in (first, second) for project in page.projects] == ["flytesnacks", "flytetester"]


async def test_attributes_of_foreign_projects_and_domains_are_not_listed(deps: Dependencies) -> None:
    await projects.register_defaults(deps)
    matching = matchable_resource_pb2.MatchingAttributes(
        workflow_execution_config=matchable_resource_pb2.WorkflowExecutionConfig(max_parallelism=3)
    )
    for project in ("flytesnacks", "flytetester"):
        of_project = project_attributes_pb2.ProjectAttributes(project=project, matching_attributes=matching)
        await attributes.update_project(
            deps, project_attributes_pb2.ProjectAttributesUpdateRequest(attributes=of_project)
        )
        for domain in ("development", "production"):
            of_domain = domain_attributes.ProjectDomainAttributes(
                project=project, domain=domain, matching_attributes=matching
            )
            update = domain_attributes.ProjectDomainAttributesUpdateRequest(attributes=of_domain)
            await attributes.update_project_domain(deps, update)
    everything = matchable_resource_pb2.ListMatchableAttributesRequest(resource_type="WORKFLOW_EXECUTION_CONFIG")

    async def listed(*scopes: Scope) -> set[tuple[str, str]]:
        with acting(Role.VIEWER, *scopes):
            found = await attributes.list_all(deps, everything)
        return {(one.project, one.domain) for one in found.configurations}

    assert await listed(OWN) == {("flytesnacks", ""), ("flytesnacks", "development")}
    assert await listed(Scope("flytesnacks")) == {
        ("flytesnacks", domain) for domain in ("", "development", "production")
    }
    assert len(await listed(Scope())) == 6
    assert await listed() == set()


async def test_a_notification_of_a_foreign_execution_reads_like_none(deps: Dependencies) -> None:
    request = notifications_pb2.SendTestNotificationRequest(email="ada@example.com")
    sent = await operations.send_test_notification(deps, request)
    wanted = notifications_pb2.GetNotificationRequest(delivery_id=sent.delivery_id)

    with acting(Role.VIEWER, OWN), pytest.raises(NotFound, match="no notification has the delivery id"):
        await operations.get_notification(deps, wanted)
    with acting(Role.VIEWER, Scope()):
        assert (await operations.get_notification(deps, wanted)).delivery_id == sent.delivery_id


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("flytesnacks/development/root/file", True),
        ("flytesnacks/production/root/file", False),
        ("flytetester/development/root/file", False),
        ("metadata/propeller/flytesnacks-development-f1/n0/data/0/outputs.pb", True),
        ("metadata/propeller/flytetester-development-f1/n0/data/0/outputs.pb", False),
        ("metadata/propeller/flytesnacks.my-domain.f1/n0/data/0/outputs.pb", False),
        ("metadata/flytesnacks/development/f1/inputs", True),
        ("metadata/admin/flytesnacks/development/f1/v", True),
        ("metadata/admin/flytetester/development/f1/v", False),
        ("metadata/catalog/flytesnacks/development/f1", False),
        ("metadata/flytesnacks", False),
        ("logs/flytesnacks-development-f1/n0/0.log", True),
        ("logs/flytetester-development-f1/n0/0.log", False),
        ("data/ab/f1-n0-0/file", False),
        ("flytesnacks//development/root/file", False),
        ("doctor/flytesnacks/development/file", False),
    ],
)
async def test_links_need_the_right_on_what_they_name(deps: Dependencies, path: str, *, allowed: bool) -> None:
    proxy = DataProxy(deps, Signer(deps.blobs, b"key", "http://localhost"))
    request = dataproxy_pb2.CreateDownloadLocationRequest(native_url=f"{deps.blobs.root}/{path}")

    with acting(Role.VIEWER, OWN), contextlib.nullcontext() if allowed else pytest.raises(PermissionDenied):
        assert (await proxy.create_download_location(request)).signed_url
    with acting(Role.VIEWER, Scope()):
        assert (await proxy.create_download_location(request)).signed_url


def launch(name: str) -> execution_pb2.ExecutionCreateRequest:
    return execution_pb2.ExecutionCreateRequest(
        project=registrations.PROJECT,
        domain=registrations.DOMAIN,
        name=name,
        spec=execution_pb2.ExecutionSpec(launch_plan=registrations.identifier("TASK", "t")),
        inputs=literals_pb2.LiteralMap(literals={"a": registrations.integer(1)}),
    )


async def test_the_principal_of_an_execution_is_who_launched_it(deps: Dependencies) -> None:
    await projects.register_defaults(deps)
    await tasks.create(deps, registrations.task("t"))

    with acting(Role.LAUNCHER, Scope(registrations.PROJECT)):
        await workflow_executions.create(deps, launch("f1"))
        first = identifier_pb2.WorkflowExecutionIdentifier(
            project=registrations.PROJECT, domain=registrations.DOMAIN, name="f1"
        )
    bob = Identity("bob", "test", Kind.USER)
    with identities.acting_as(bob):
        await workflow_executions.relaunch(deps, execution_pb2.ExecutionRelaunchRequest(id=first, name="f2"))
    found = []
    for name in ("f1", "f2"):
        first.name = name
        read = await workflow_executions.get(deps, execution_pb2.WorkflowExecutionGetRequest(id=first))
        found.append(read.spec.metadata.principal)

    assert found == ["ada", "bob"]


async def test_what_is_relaunched_from_a_foreign_project_needs_the_right_there(deps: Dependencies) -> None:
    await projects.register_defaults(deps)
    await tasks.create(deps, registrations.task("t"))
    request = launch("f1")
    request.project = "flytetester"
    await workflow_executions.create(deps, request)
    again = execution_pb2.ExecutionRelaunchRequest(name="f2")
    again.id.project, again.id.domain, again.id.name = "flytetester", registrations.DOMAIN, "f1"

    with acting(Role.LAUNCHER, Scope("flytetester")), pytest.raises(PermissionDenied, match=registrations.PROJECT):
        await workflow_executions.relaunch(deps, again)
    with acting(Role.LAUNCHER, Scope("flytetester"), Scope(registrations.PROJECT)):
        assert (await workflow_executions.relaunch(deps, again)).id.name == "f2"


@pytest.mark.parametrize("kind", ["task", "launch plan"])
async def test_a_workflow_uses_only_what_its_author_may_use(deps: Dependencies, kind: str) -> None:
    """Workers run what it refers to, with rights of their own."""
    await projects.register_defaults(deps)
    request = registrations.workflow()
    (node,) = request.spec.template.nodes
    if kind == "task":
        node.task_node.reference_id.project = "flytetester"
    else:
        plan = registrations.identifier("LAUNCH_PLAN", "w")
        plan.project = "flytetester"
        node.workflow_node.launchplan_ref.CopyFrom(plan)

    with acting(Role.DEVELOPER, OWN), pytest.raises(PermissionDenied, match="flytetester"):
        await workflows.create(deps, request)
    # With the right there it is compiled, and what it refers to does not exist.
    with acting(Role.DEVELOPER, OWN, Scope("flytetester")), pytest.raises(CompileFailed):
        await workflows.create(deps, request)


def foreign_query() -> launch_plan_pb2.LaunchPlanCreateRequest:
    key = artifact_id_pb2.ArtifactKey(project="flytetester", domain=registrations.DOMAIN, name="secret")
    query = artifact_id_pb2.ArtifactQuery(artifact_id=artifact_id_pb2.ArtifactID(artifact_key=key))
    request = registrations.plan("reader")
    variable = interface_pb2.Variable(type=registrations.INT)
    request.spec.default_inputs.parameters["a"].CopyFrom(interface_pb2.Parameter(var=variable, artifact_query=query))
    return request


def foreign_condition() -> launch_plan_pb2.LaunchPlanCreateRequest:
    key = artifact_id_pb2.ArtifactKey(project="flytetester", domain=registrations.DOMAIN, name="secret")
    itself = artifact_id_pb2.ArtifactQuery(binding=artifact_id_pb2.ArtifactBindingData(bind_to_time_partition=False))
    inputs = interface_pb2.ParameterMap(parameters={"a": interface_pb2.Parameter(artifact_query=itself)})
    watched = artifact_id_pb2.ArtifactID(artifact_key=key)
    request = registrations.plan("reader")
    request.spec.entity_metadata.launch_conditions.Pack(
        artifacts_pb2.ArtifactTrigger(trigger=watched, trigger_inputs=inputs)
    )
    return request


def triggered(trigger: str) -> launch_plan_pb2.LaunchPlanCreateRequest:
    request = registrations.plan("reader")
    request.spec.annotations.values["flytetemporal.io/triggers"] = f"[{trigger}]"
    return request


@pytest.mark.parametrize(
    "request_of",
    [
        lambda _: foreign_query(),
        lambda _: foreign_condition(),
        lambda _: triggered("{name: t, success: {launch_plan: w, project: flytetester}, inputs: {a: outputs.o0}}"),
        lambda root: triggered(f"{{name: t, prefix: {root}/flytetester/development/up, inputs: {{a: uri}}}}"),
    ],
    ids=["query", "condition", "success", "prefix"],
)
async def test_a_launch_plan_reads_only_what_its_author_may_read(
    deps: Dependencies, request_of: Callable[[str], launch_plan_pb2.LaunchPlanCreateRequest]
) -> None:
    """Neither triggers nor artifacts lead to another project, and a refusal does not say what there is."""
    await projects.register_defaults(deps)
    await tasks.create(deps, registrations.task())
    await workflows.create(deps, registrations.workflow())
    request = request_of(deps.blobs.root)

    with acting(Role.DEVELOPER, OWN), pytest.raises(PermissionDenied, match="flytetester"):
        await launch_plans.create(deps, request)
    # With the right there nothing is refused for want of it: the launch plan is registered, or makes no sense.
    with acting(Role.DEVELOPER, OWN, Scope("flytetester")), contextlib.suppress(InvalidRequest):
        await launch_plans.create(deps, request)


@pytest.mark.parametrize("folder", ["flytetester", "../store", "data"])
async def test_a_trigger_watches_a_folder_of_no_project_for_administrators_only(
    deps: Dependencies, folder: str
) -> None:
    await projects.register_defaults(deps)
    await tasks.create(deps, registrations.task())
    await workflows.create(deps, registrations.workflow())
    request = triggered(f"{{name: t, prefix: {deps.blobs.root}/{folder}, inputs: {{a: uri}}}}")

    with acting(Role.DEVELOPER, OWN), pytest.raises(PermissionDenied, match="platform"):
        await launch_plans.create(deps, request)


async def test_an_input_that_names_a_file_of_another_project_is_not_read_for_its_launcher(deps: Dependencies) -> None:
    await projects.register_defaults(deps)
    await tasks.create(deps, registrations.task("t"))
    request = launch("f1")
    uri = f"{deps.blobs.root}/metadata/propeller/flytetester-development-f9/n0/o0_offloaded_metadata.pb"
    await deps.blobs.write_message(uri, registrations.integer(4242))
    stolen = literals_pb2.LiteralOffloadedMetadata(uri=uri, inferred_type=registrations.INT)
    request.inputs.literals["a"].CopyFrom(literals_pb2.Literal(offloaded_metadata=stolen))
    first = identifier_pb2.WorkflowExecutionIdentifier(
        project=registrations.PROJECT, domain=registrations.DOMAIN, name="f1"
    )
    wanted = execution_pb2.WorkflowExecutionGetDataRequest(id=first)

    with acting(Role.LAUNCHER, OWN):
        await workflow_executions.create(deps, request)
        hidden = (await workflow_executions.get_data(deps, wanted)).full_inputs.literals["a"]
    with acting(Role.VIEWER, OWN, Scope("flytetester")):
        shown = (await workflow_executions.get_data(deps, wanted)).full_inputs.literals["a"]

    assert hidden == request.inputs.literals["a"]
    assert shown == registrations.integer(4242)


async def test_a_log_of_another_project_is_not_read_by_an_id_that_leads_to_its_folder(deps: Dependencies) -> None:
    """The execution ``run-1`` of ``flytesnacks-x`` has the folder that ``1`` of a made-up domain would have."""
    uri = f"{deps.blobs.root}/logs/flytesnacks-x.development.run-1/n0/0.log"
    await deps.blobs.write(uri, b"secret")
    app = Starlette(routes=files.routes(deps.blobs, Signer(deps.blobs, b"key", "http://localhost")))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
        with acting(Role.VIEWER, Scope("flytesnacks")):
            found = await http.get("/logs/flytesnacks/x.development.run/1/n0/0")
        with acting(Role.VIEWER, Scope("flytesnacks-x")):
            own = await http.get("/logs/flytesnacks-x/development/run-1/n0/0")

    assert (found.status_code, own.status_code, own.text) == (404, 200, "secret")


async def test_who_relaunches_a_child_is_its_principal(deps: Dependencies) -> None:
    await projects.register_defaults(deps)
    await tasks.create(deps, registrations.task("t"))
    first = identifier_pb2.WorkflowExecutionIdentifier(
        project=registrations.PROJECT, domain=registrations.DOMAIN, name="f1"
    )
    node = identifier_pb2.NodeExecutionIdentifier(execution_id=first, node_id="n0")
    running = event_pb2.NodeExecutionEvent(
        id=node, phase=core_execution_pb2.NodeExecution.RUNNING, occurred_at=times.timestamp(datetime.now(UTC))
    )
    with acting(Role.LAUNCHER, OWN):
        await workflow_executions.create(deps, launch("f1"))
    await batches.record_events(deps, events_pb2.RecordEventsRequest(events=[events_pb2.Event(node=running)]))
    child = launch("f2")
    child.spec.metadata.mode = execution_pb2.ExecutionMetadata.CHILD_WORKFLOW
    child.spec.metadata.parent_node_execution.CopyFrom(node)
    await workflow_executions.create(deps, child)  # As workers do.
    bob = Identity("bob", "test", Kind.USER)
    policies = Policies([Binding(Subject.parse("user:bob"), Role.LAUNCHER, OWN)])
    second = identifier_pb2.WorkflowExecutionIdentifier()
    second.CopyFrom(first)
    second.name = "f2"

    with identities.acting_as(bob), access.of(Access(bob, policies)):
        await workflow_executions.relaunch(deps, execution_pb2.ExecutionRelaunchRequest(id=second, name="f3"))

    found = []
    for name in ("f2", "f3"):
        second.name = name
        read = await workflow_executions.get(deps, execution_pb2.WorkflowExecutionGetRequest(id=second))
        found.append(read.spec.metadata.principal)
    assert found == ["ada", "bob"]
