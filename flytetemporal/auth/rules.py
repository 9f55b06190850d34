"""The table that says what every method needs of its caller. A method without a rule does not start.

Where the fields of a request do not say what it is about, the handler checks the rest with ``auth.access``: the note of
a rule says so.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

from google.protobuf.message import Message

from flytetemporal.auth.roles import Permission, Scope
from flytetemporal.auth.scopes import (
    Scopes,
    at,
    at_if_set,
    attributes_project,
    each,
    events,
    flyte_url,
    parent,
    part_of_project,
    platform,
    project,
)

Need = tuple[Permission, Scopes]


class Door(Enum):
    """Who passes before any permission is looked at."""

    ANYBODY = auto()
    """Everybody, without sign-in."""
    SIGNED_IN = auto()
    """Those who have signed in."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a method needs of its caller: every one of ``needs``."""

    needs: tuple[Need, ...] = ()
    door: Door = Door.SIGNED_IN
    note: str = ""
    # Whether each call has an entry in the audit log, and not only those that are refused.
    audited: bool = False

    def wanted(self, request: Message) -> Iterator[tuple[Permission, Scope]]:
        """Yield the permissions that a request needs, each with its scope."""
        for permission, read in self.needs:
            for scope in read(request):
                yield permission, scope


_P = Permission


def _change(*needs: Need, note: str = "") -> Rule:
    return Rule(needs, note=note, audited=True)


def _read(scopes: Scopes, note: str = "") -> Rule:
    return Rule(((_P.READ, scopes),), note=note)


def _launch(*scopes: Scopes) -> Rule:
    return _change(*((_P.LAUNCH, found) for found in scopes))


def _register(scopes: Scopes) -> Rule:
    return _change((_P.REGISTER, scopes))


def _operate(*scopes: Scopes) -> Rule:
    return _change(*((_P.OPERATE, found) for found in scopes))


def _administer(scopes: Scopes) -> Rule:
    return _change((_P.ADMINISTER, scopes))


def _engine(scopes: Scopes) -> Rule:
    return Rule(((_P.ENGINE, scopes),))


_PLATFORM = _change((_P.PLATFORM, platform))
_ANYBODY = Rule(door=Door.ANYBODY)
_LISTS = "lists what the caller may read"

_NODE, _EXECUTION = at("id.execution_id"), at("execution_id")
_TASK = at("id.node_execution_id.execution_id")

_ADMIN: Mapping[str, Rule] = {
    "CreateTask": _register(at("id")),
    "GetTask": _read(at("id")),
    "ListTaskIds": _read(at()),
    "ListTasks": _read(at("id")),
    "CreateWorkflow": replace(_register(at("id")), note="needs to read its tasks, and to launch its launch plans"),
    "GetWorkflow": _read(at("id")),
    "ListWorkflowIds": _read(at()),
    "ListWorkflows": _read(at("id")),
    "CreateLaunchPlan": _change((_P.REGISTER, at("id")), (_P.READ, at_if_set("spec.workflow_id"))),
    "GetLaunchPlan": _read(at("id")),
    "GetActiveLaunchPlan": _read(at("id")),
    "ListActiveLaunchPlans": _read(at()),
    "ListLaunchPlanIds": _read(at()),
    "ListLaunchPlans": _read(at("id")),
    "UpdateLaunchPlan": _operate(at("id")),
    "ListNamedEntities": _read(at()),
    "GetNamedEntity": _read(at("id")),
    "UpdateNamedEntity": _register(at("id")),
    "GetDescriptionEntity": _read(at("id")),
    "ListDescriptionEntities": _read(at("id")),
    "CreateExecution": _change(
        (_P.LAUNCH, at()),
        (_P.LAUNCH, at_if_set("spec.launch_plan")),
        (_P.READ, at_if_set("spec.metadata.reference_execution")),
        (_P.ENGINE, parent),
    ),
    "RelaunchExecution": _launch(at("id")),
    "RecoverExecution": _change((_P.LAUNCH, at("id")), (_P.ENGINE, parent)),
    "GetExecution": _read(at("id")),
    "UpdateExecution": _operate(at("id")),
    "GetExecutionData": _read(at("id")),
    "ListExecutions": _read(at("id")),
    "TerminateExecution": _operate(at("id")),
    "GetExecutionMetrics": _read(at("id")),
    "GetNodeExecution": _read(_NODE),
    "GetDynamicNodeWorkflow": _read(_NODE),
    "ListNodeExecutions": _read(at("workflow_execution_id")),
    "ListNodeExecutionsForTask": _read(at("task_execution_id.node_execution_id.execution_id")),
    "GetNodeExecutionData": _read(_NODE),
    "GetTaskExecution": _read(_TASK),
    "ListTaskExecutions": _read(at("node_execution_id.execution_id")),
    "GetTaskExecutionData": _read(_TASK),
    "CreateWorkflowEvent": _engine(at("event.execution_id")),
    "CreateNodeEvent": _engine(at("event.id.execution_id")),
    "CreateTaskEvent": _engine(at("event.parent_node_execution_id.execution_id")),
    "RegisterProject": _PLATFORM,
    "UpdateProject": _administer(project("id")),
    "GetProject": _read(part_of_project("id")),
    "ListProjects": Rule(note=_LISTS),
    "GetDomains": Rule(),
    "UpdateProjectDomainAttributes": _administer(at("attributes")),
    "GetProjectDomainAttributes": _read(at()),
    "DeleteProjectDomainAttributes": _administer(at()),
    "UpdateProjectAttributes": _administer(attributes_project),
    "GetProjectAttributes": _read(part_of_project("project")),
    "DeleteProjectAttributes": _administer(project("project")),
    "UpdateWorkflowAttributes": _administer(at("attributes")),
    "GetWorkflowAttributes": _read(at()),
    "DeleteWorkflowAttributes": _administer(at()),
    "ListMatchableAttributes": Rule(note=_LISTS),
    "GetVersion": _ANYBODY,
}

_SIGNALS: Mapping[str, Rule] = {
    # Workers do, at each gate node, and it sets no value.
    "GetOrCreateSignal": Rule(((_P.LAUNCH, _NODE),)),
    "ListSignals": _read(at("workflow_execution_id")),
    "SetSignal": _launch(_NODE),
}

_DATA_PROXY: Mapping[str, Rule] = {
    "CreateUploadLocation": Rule(((_P.LAUNCH, at()),)),
    "CreateDownloadLocation": Rule(note="needs to read what the URL is about; raw data of tasks, the whole platform"),
    "CreateDownloadLink": _read(at("node_execution_id.execution_id")),
    "GetData": _read(flyte_url),
}

_OPERATIONS: Mapping[str, Rule] = {
    "IssueTaskToken": _engine(at("node_execution_id.execution_id")),
    "Explain": _read(_EXECUTION),
    "Edit": _operate(_EXECUTION),
    "ListOperatorActions": _read(_EXECUTION),
    "ListNotifications": _read(_EXECUTION),
    "GetNotification": Rule(note="needs to read the execution that it is about"),
    "SendTestNotification": _PLATFORM,
    "ForceTerminate": _operate(_EXECUTION),
    "Fork": _operate(_EXECUTION),
    "GetLineage": _read(_EXECUTION),
    "GetNodeTimes": _read(_EXECUTION),
    "Pause": _operate(at("target")),
    "Resume": _operate(at("target")),
    "ListPauses": _read(at()),
    "GetRetention": _read(at()),
    "SetRetention": _administer(at("policy")),
    "RunRetention": _administer(at()),
    "DeleteExecution": _administer(_EXECUTION),
    "DeleteVersion": _administer(at("id")),
    # Not for those who administer the project alone: the name is free then, and a refusal names what uses it elsewhere.
    "DeleteProject": _PLATFORM,
    "ListRemovals": _read(at()),
    "ListArtifacts": _read(at()),
    "ListLoops": _read(platform),
    "ListSchedules": _read(at()),
    "ListScheduleDifferences": _read(platform),
    "GetHistory": _read(_EXECUTION),
    "StartBackfill": _operate(at("launch_plan")),
    "GetBackfill": _read(at("id")),
    "ListBackfills": _read(at()),
    "ListBackfillRuns": _read(at("id")),
    "SetBackfillState": _operate(at("id")),
    "ChangeBackfill": _operate(at("id")),
    "ListTriggers": _read(at()),
    "ListTriggerEvents": _read(at()),
}

_CATALOG: Mapping[str, Rule] = {
    "CreateDataset": _engine(at("dataset.id")),
    "GetDataset": _read(at("dataset")),
    "CreateArtifact": _engine(at("artifact.dataset")),
    "GetArtifact": _read(at("dataset")),
    "AddTag": _engine(at("tag.dataset")),
    "ListArtifacts": _read(at("dataset")),
    "ListDatasets": _read(platform),
    "UpdateArtifact": _engine(at("dataset")),
    "GetOrExtendReservation": _engine(at("reservation_id.dataset_id")),
    "ReleaseReservation": _engine(at("reservation_id.dataset_id")),
}

# Keys name no project.
_CACHE: Mapping[str, Rule] = {
    name: _engine(platform) for name in ("Get", "Put", "Delete", "GetOrExtendReservation", "ReleaseReservation")
}

_CACHE_OPERATIONS: Mapping[str, Rule] = {
    "LookUp": _read(each("keys", "dataset")),
    "ListEntries": _read(at("scope")),
    "Evict": _operate(at("scope")),
    "SetPolicy": _administer(at("policy.scope")),
    "DeletePolicy": _administer(at("scope")),
    "ListPolicies": _read(project("project")),
}

_OF_BINDING = at("binding")
_ACCESS: Mapping[str, Rule] = {
    "Grant": replace(_administer(_OF_BINDING), note="needs every permission of the role, too"),
    "Revoke": replace(_administer(_OF_BINDING), note="needs every permission of the role, too"),
    "ListBindings": Rule(((_P.ADMINISTER, at()),)),
    "ApplyBindings": _PLATFORM,
    "CanI": Rule(),
    "CreateKey": _change(note="for others, the platform; not with a limited credential"),
    "ListKeys": Rule(note="of others, the platform"),
    "RevokeKey": _change(note="of others, the platform"),
    "ListAudit": Rule(((_P.AUDIT, at()),)),
}

_SERVICES: Mapping[str, Mapping[str, Rule]] = {
    "flyteidl.service.AdminService": _ADMIN,
    "flyteidl.service.SignalService": _SIGNALS,
    "flyteidl.service.DataProxyService": _DATA_PROXY,
    "flyteidl.service.IdentityService": {"UserInfo": Rule()},
    # Clients find out by these how to sign in.
    "flyteidl.service.AuthMetadataService": {"GetOAuth2Metadata": _ANYBODY, "GetPublicClientConfig": _ANYBODY},
    "flytetemporal.v1.EventService": {"RecordEvents": _engine(events)},
    "flytetemporal.v1.OperationsService": _OPERATIONS,
    "flytetemporal.v1.AccessService": _ACCESS,
    "datacatalog.DataCatalog": _CATALOG,
    "flyteidl.cacheservice.CacheService": _CACHE,
    "flytetemporal.v1.CacheOperationsService": _CACHE_OPERATIONS,
}

RULES: Mapping[str, Rule] = {
    f"/{service}/{name}": rule for service, rules in _SERVICES.items() for name, rule in rules.items()
}
"""By gRPC path; HTTP goes through the same methods."""


def check_complete(paths: Iterable[str], rules: Mapping[str, Any] = RULES) -> None:
    """Check that every method or route has a rule.

    Raises:
        TypeError: names those without one.
    """
    if missing := sorted(set(paths) - set(rules)):
        raise TypeError(f"no rule says who may call {', '.join(missing)}: add it to flytetemporal/auth/rules.py")
