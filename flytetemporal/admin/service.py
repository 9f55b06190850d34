"""The services that admin serves: which function serves which method.

``rpc/methods.bind`` compares these tables with the services' descriptors when a control plane starts.
"""

from collections.abc import Mapping

from flytetemporal.admin import identity
from flytetemporal.admin.access import audit, bindings, keys
from flytetemporal.admin.artifacts import listing
from flytetemporal.admin.backfills import changing, starting
from flytetemporal.admin.backfills import records as backfill_records
from flytetemporal.admin.base import version
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.control import history_pages, node_times, operations, pauses, schedule_list
from flytetemporal.admin.dataproxy.links import DataProxy
from flytetemporal.admin.deletions import projects as project_deletions
from flytetemporal.admin.edits import editing
from flytetemporal.admin.events import flyte_events
from flytetemporal.admin.executions import admission, node_executions, signals, task_executions, workflow_executions
from flytetemporal.admin.firing import listing as trigger_lists
from flytetemporal.admin.forks import forking, records
from flytetemporal.admin.notifications import operations as notifications
from flytetemporal.admin.registry import deleting as registry_deleting
from flytetemporal.admin.registry import descriptions, launch_plans, named_entities, tasks, workflows
from flytetemporal.admin.retention import deleting as executions_deleting
from flytetemporal.admin.retention import policies, rounds
from flytetemporal.admin.schedules import differences
from flytetemporal.admin.settings import attributes, projects
from flytetemporal.admin.sign_in import task_tokens
from flytetemporal.admin.upkeep import statuses
from flytetemporal.auth.server import metadata
from flytetemporal.rpc.methods import Function

ADMIN: Mapping[str, Function[Dependencies]] = {
    "CreateTask": tasks.create,
    "GetTask": tasks.get,
    "ListTaskIds": tasks.list_ids,
    "ListTasks": tasks.list_tasks,
    "CreateWorkflow": workflows.create,
    "GetWorkflow": workflows.get,
    "ListWorkflowIds": workflows.list_ids,
    "ListWorkflows": workflows.list_workflows,
    "CreateLaunchPlan": launch_plans.create,
    "GetLaunchPlan": launch_plans.get,
    "GetActiveLaunchPlan": launch_plans.get_active,
    "ListActiveLaunchPlans": launch_plans.list_active,
    "ListLaunchPlanIds": launch_plans.list_ids,
    "ListLaunchPlans": launch_plans.list_launch_plans,
    "UpdateLaunchPlan": launch_plans.set_state,
    "ListNamedEntities": named_entities.list_named_entities,
    "GetNamedEntity": named_entities.get,
    "UpdateNamedEntity": named_entities.update,
    "GetDescriptionEntity": descriptions.get,
    "ListDescriptionEntities": descriptions.list_descriptions,
    "CreateExecution": workflow_executions.create,
    "RelaunchExecution": workflow_executions.relaunch,
    "RecoverExecution": workflow_executions.recover,
    "GetExecution": workflow_executions.get,
    "UpdateExecution": workflow_executions.update,
    "GetExecutionData": workflow_executions.get_data,
    "ListExecutions": workflow_executions.list_executions,
    "TerminateExecution": workflow_executions.terminate,
    "GetExecutionMetrics": workflow_executions.get_metrics,
    "GetNodeExecution": node_executions.get,
    "GetDynamicNodeWorkflow": node_executions.get_dynamic_workflow,
    "ListNodeExecutions": node_executions.list_node_executions,
    "ListNodeExecutionsForTask": node_executions.list_for_task,
    "GetNodeExecutionData": node_executions.get_data,
    "GetTaskExecution": task_executions.get,
    "ListTaskExecutions": task_executions.list_task_executions,
    "GetTaskExecutionData": task_executions.get_data,
    # One event per call, as Flyte's engine sends them. Our workers send batches, to EventService.
    "CreateWorkflowEvent": flyte_events.create_workflow_event,
    "CreateNodeEvent": flyte_events.create_node_event,
    "CreateTaskEvent": flyte_events.create_task_event,
    "RegisterProject": projects.register,
    "UpdateProject": projects.update,
    "GetProject": projects.get,
    "ListProjects": projects.list_projects,
    "GetDomains": projects.get_domains,
    "UpdateProjectDomainAttributes": attributes.update_project_domain,
    "GetProjectDomainAttributes": attributes.get_project_domain,
    "DeleteProjectDomainAttributes": attributes.delete_project_domain,
    "UpdateProjectAttributes": attributes.update_project,
    "GetProjectAttributes": attributes.get_project,
    "DeleteProjectAttributes": attributes.delete_project,
    "UpdateWorkflowAttributes": attributes.update_workflow,
    "GetWorkflowAttributes": attributes.get_workflow,
    "DeleteWorkflowAttributes": attributes.delete_workflow,
    "ListMatchableAttributes": attributes.list_all,
    "GetVersion": version.get,
}

AUTH_METADATA: Mapping[str, Function[metadata.OwnServer]] = {
    "GetOAuth2Metadata": metadata.get_metadata,
    "GetPublicClientConfig": metadata.get_client_config,
}

SIGNALS: Mapping[str, Function[Dependencies]] = {
    "GetOrCreateSignal": signals.get_or_create,
    "ListSignals": signals.list_signals,
    "SetSignal": signals.set_value,
}

IDENTITY: Mapping[str, Function[None]] = {"UserInfo": identity.user_info}

DATA_PROXY: Mapping[str, Function[DataProxy]] = {
    "CreateUploadLocation": DataProxy.create_upload_location,
    "CreateDownloadLocation": DataProxy.create_download_location,
    "CreateDownloadLink": DataProxy.create_download_link,
    "GetData": DataProxy.get_data,
}


# Our own services: Flyte's API has no batches of events, and neither explains executions nor ends them by force.
ACCESS: Mapping[str, Function[Dependencies]] = {
    "Grant": bindings.grant,
    "Revoke": bindings.revoke,
    "ListBindings": bindings.list_bindings,
    "ApplyBindings": bindings.apply_bindings,
    "CanI": bindings.can_i,
    "CreateKey": keys.create,
    "ListKeys": keys.list_keys,
    "RevokeKey": keys.revoke,
    "ListAudit": audit.list_audit,
}
EVENTS: Mapping[str, Function[Dependencies]] = {"RecordEvents": admission.record_events}
OPERATIONS: Mapping[str, Function[Dependencies]] = {
    "IssueTaskToken": task_tokens.issue,
    "Explain": operations.explain,
    "Edit": editing.edit,
    "ListOperatorActions": editing.list_operator_actions,
    "ListNotifications": notifications.list_notifications,
    "GetNotification": notifications.get_notification,
    "SendTestNotification": notifications.send_test_notification,
    "ForceTerminate": operations.force_terminate,
    "Fork": forking.fork,
    "GetLineage": records.get_lineage,
    "GetNodeTimes": node_times.get_node_times,
    "Pause": pauses.pause,
    "Resume": pauses.resume,
    "ListPauses": pauses.list_pauses,
    "GetRetention": policies.get_retention,
    "SetRetention": policies.set_retention,
    "RunRetention": rounds.run,
    "DeleteExecution": executions_deleting.delete_execution,
    "DeleteVersion": registry_deleting.delete_version,
    "DeleteProject": project_deletions.delete_project,
    "ListRemovals": executions_deleting.list_removals,
    "ListArtifacts": listing.list_artifacts,
    "ListLoops": statuses.list_loops,
    "ListSchedules": schedule_list.list_schedules,
    "ListScheduleDifferences": differences.list_differences,
    "GetHistory": history_pages.get_history,
    "StartBackfill": starting.start,
    "GetBackfill": backfill_records.get,
    "ListBackfills": backfill_records.list_backfills,
    "ListBackfillRuns": backfill_records.list_runs,
    "SetBackfillState": changing.set_state,
    "ChangeBackfill": changing.change,
    "ListTriggers": trigger_lists.list_triggers,
    "ListTriggerEvents": trigger_lists.list_trigger_events,
}
