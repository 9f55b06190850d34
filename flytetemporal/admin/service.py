"""AdminService: one short method per RPC; what each does is told where it is done."""

from flyteidl.admin import (
    common_pb2,
    description_entity_pb2,
    event_pb2,
    execution_pb2,
    launch_plan_pb2,
    matchable_resource_pb2,
    node_execution_pb2,
    project_attributes_pb2,
    project_domain_attributes_pb2,
    project_pb2,
    task_execution_pb2,
    task_pb2,
    version_pb2,
    workflow_attributes_pb2,
    workflow_pb2,
)

from flytetemporal.admin.base import version
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.events import flyte_events
from flytetemporal.admin.executions import node_executions, task_executions, workflow_executions
from flytetemporal.admin.registry import descriptions, launch_plans, named_entities, tasks, workflows
from flytetemporal.admin.settings import attributes, projects


class AdminService:
    """Flyte's AdminService; each method is one resource module's function."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps

    async def CreateTask(self, request: task_pb2.TaskCreateRequest) -> task_pb2.TaskCreateResponse:

        return await tasks.create(self._deps, request)

    async def GetTask(self, request: common_pb2.ObjectGetRequest) -> task_pb2.Task:

        return await tasks.get(self._deps, request)

    async def ListTaskIds(
        self, request: common_pb2.NamedEntityIdentifierListRequest
    ) -> common_pb2.NamedEntityIdentifierList:

        return await tasks.list_ids(self._deps, request)

    async def ListTasks(self, request: common_pb2.ResourceListRequest) -> task_pb2.TaskList:

        return await tasks.list_tasks(self._deps, request)

    async def CreateWorkflow(self, request: workflow_pb2.WorkflowCreateRequest) -> workflow_pb2.WorkflowCreateResponse:

        return await workflows.create(self._deps, request)

    async def GetWorkflow(self, request: common_pb2.ObjectGetRequest) -> workflow_pb2.Workflow:

        return await workflows.get(self._deps, request)

    async def ListWorkflowIds(
        self, request: common_pb2.NamedEntityIdentifierListRequest
    ) -> common_pb2.NamedEntityIdentifierList:

        return await workflows.list_ids(self._deps, request)

    async def ListWorkflows(self, request: common_pb2.ResourceListRequest) -> workflow_pb2.WorkflowList:

        return await workflows.list_workflows(self._deps, request)

    async def CreateLaunchPlan(
        self, request: launch_plan_pb2.LaunchPlanCreateRequest
    ) -> launch_plan_pb2.LaunchPlanCreateResponse:

        return await launch_plans.create(self._deps, request)

    async def GetLaunchPlan(self, request: common_pb2.ObjectGetRequest) -> launch_plan_pb2.LaunchPlan:

        return await launch_plans.get(self._deps, request)

    async def GetActiveLaunchPlan(self, request: launch_plan_pb2.ActiveLaunchPlanRequest) -> launch_plan_pb2.LaunchPlan:

        return await launch_plans.get_active(self._deps, request)

    async def ListActiveLaunchPlans(
        self, request: launch_plan_pb2.ActiveLaunchPlanListRequest
    ) -> launch_plan_pb2.LaunchPlanList:

        return await launch_plans.list_active(self._deps, request)

    async def ListLaunchPlanIds(
        self, request: common_pb2.NamedEntityIdentifierListRequest
    ) -> common_pb2.NamedEntityIdentifierList:

        return await launch_plans.list_ids(self._deps, request)

    async def ListLaunchPlans(self, request: common_pb2.ResourceListRequest) -> launch_plan_pb2.LaunchPlanList:

        return await launch_plans.list_launch_plans(self._deps, request)

    async def UpdateLaunchPlan(
        self, request: launch_plan_pb2.LaunchPlanUpdateRequest
    ) -> launch_plan_pb2.LaunchPlanUpdateResponse:

        return await launch_plans.set_state(self._deps, request)

    async def CreateExecution(
        self, request: execution_pb2.ExecutionCreateRequest
    ) -> execution_pb2.ExecutionCreateResponse:

        return await workflow_executions.create(self._deps, request)

    async def RelaunchExecution(
        self, request: execution_pb2.ExecutionRelaunchRequest
    ) -> execution_pb2.ExecutionCreateResponse:

        return await workflow_executions.relaunch(self._deps, request)

    async def RecoverExecution(
        self, request: execution_pb2.ExecutionRecoverRequest
    ) -> execution_pb2.ExecutionCreateResponse:

        return await workflow_executions.recover(self._deps, request)

    async def GetExecution(self, request: execution_pb2.WorkflowExecutionGetRequest) -> execution_pb2.Execution:

        return await workflow_executions.get(self._deps, request)

    async def UpdateExecution(
        self, request: execution_pb2.ExecutionUpdateRequest
    ) -> execution_pb2.ExecutionUpdateResponse:

        return await workflow_executions.update(self._deps, request)

    async def GetExecutionData(
        self, request: execution_pb2.WorkflowExecutionGetDataRequest
    ) -> execution_pb2.WorkflowExecutionGetDataResponse:

        return await workflow_executions.get_data(self._deps, request)

    async def ListExecutions(self, request: common_pb2.ResourceListRequest) -> execution_pb2.ExecutionList:

        return await workflow_executions.list_executions(self._deps, request)

    async def TerminateExecution(
        self, request: execution_pb2.ExecutionTerminateRequest
    ) -> execution_pb2.ExecutionTerminateResponse:

        return await workflow_executions.terminate(self._deps, request)

    async def GetNodeExecution(
        self, request: node_execution_pb2.NodeExecutionGetRequest
    ) -> node_execution_pb2.NodeExecution:

        return await node_executions.get(self._deps, request)

    async def GetDynamicNodeWorkflow(
        self, request: node_execution_pb2.GetDynamicNodeWorkflowRequest
    ) -> node_execution_pb2.DynamicNodeWorkflowResponse:

        return await node_executions.get_dynamic_workflow(self._deps, request)

    async def ListNodeExecutions(
        self, request: node_execution_pb2.NodeExecutionListRequest
    ) -> node_execution_pb2.NodeExecutionList:

        return await node_executions.list_node_executions(self._deps, request)

    async def ListNodeExecutionsForTask(
        self, request: node_execution_pb2.NodeExecutionForTaskListRequest
    ) -> node_execution_pb2.NodeExecutionList:

        return await node_executions.list_for_task(self._deps, request)

    async def GetNodeExecutionData(
        self, request: node_execution_pb2.NodeExecutionGetDataRequest
    ) -> node_execution_pb2.NodeExecutionGetDataResponse:

        return await node_executions.get_data(self._deps, request)

    async def RegisterProject(self, request: project_pb2.ProjectRegisterRequest) -> project_pb2.ProjectRegisterResponse:

        return await projects.register(self._deps, request)

    async def UpdateProject(self, request: project_pb2.Project) -> project_pb2.ProjectUpdateResponse:

        return await projects.update(self._deps, request)

    async def GetProject(self, request: project_pb2.ProjectGetRequest) -> project_pb2.Project:

        return await projects.get(self._deps, request)

    async def ListProjects(self, request: project_pb2.ProjectListRequest) -> project_pb2.Projects:

        return await projects.list_projects(self._deps, request)

    async def GetDomains(self, request: project_pb2.GetDomainRequest) -> project_pb2.GetDomainsResponse:

        return await projects.get_domains(self._deps, request)

    async def CreateWorkflowEvent(
        self, request: event_pb2.WorkflowExecutionEventRequest
    ) -> event_pb2.WorkflowExecutionEventResponse:

        return await flyte_events.create_workflow_event(self._deps, request)

    async def CreateNodeEvent(
        self, request: event_pb2.NodeExecutionEventRequest
    ) -> event_pb2.NodeExecutionEventResponse:

        return await flyte_events.create_node_event(self._deps, request)

    async def CreateTaskEvent(
        self, request: event_pb2.TaskExecutionEventRequest
    ) -> event_pb2.TaskExecutionEventResponse:

        return await flyte_events.create_task_event(self._deps, request)

    async def GetTaskExecution(
        self, request: task_execution_pb2.TaskExecutionGetRequest
    ) -> task_execution_pb2.TaskExecution:

        return await task_executions.get(self._deps, request)

    async def ListTaskExecutions(
        self, request: task_execution_pb2.TaskExecutionListRequest
    ) -> task_execution_pb2.TaskExecutionList:

        return await task_executions.list_task_executions(self._deps, request)

    async def GetTaskExecutionData(
        self, request: task_execution_pb2.TaskExecutionGetDataRequest
    ) -> task_execution_pb2.TaskExecutionGetDataResponse:

        return await task_executions.get_data(self._deps, request)

    async def UpdateProjectDomainAttributes(
        self, request: project_domain_attributes_pb2.ProjectDomainAttributesUpdateRequest
    ) -> project_domain_attributes_pb2.ProjectDomainAttributesUpdateResponse:

        return await attributes.update_project_domain(self._deps, request)

    async def GetProjectDomainAttributes(
        self, request: project_domain_attributes_pb2.ProjectDomainAttributesGetRequest
    ) -> project_domain_attributes_pb2.ProjectDomainAttributesGetResponse:

        return await attributes.get_project_domain(self._deps, request)

    async def DeleteProjectDomainAttributes(
        self, request: project_domain_attributes_pb2.ProjectDomainAttributesDeleteRequest
    ) -> project_domain_attributes_pb2.ProjectDomainAttributesDeleteResponse:

        return await attributes.delete_project_domain(self._deps, request)

    async def UpdateProjectAttributes(
        self, request: project_attributes_pb2.ProjectAttributesUpdateRequest
    ) -> project_attributes_pb2.ProjectAttributesUpdateResponse:

        return await attributes.update_project(self._deps, request)

    async def GetProjectAttributes(
        self, request: project_attributes_pb2.ProjectAttributesGetRequest
    ) -> project_attributes_pb2.ProjectAttributesGetResponse:

        return await attributes.get_project(self._deps, request)

    async def DeleteProjectAttributes(
        self, request: project_attributes_pb2.ProjectAttributesDeleteRequest
    ) -> project_attributes_pb2.ProjectAttributesDeleteResponse:

        return await attributes.delete_project(self._deps, request)

    async def UpdateWorkflowAttributes(
        self, request: workflow_attributes_pb2.WorkflowAttributesUpdateRequest
    ) -> workflow_attributes_pb2.WorkflowAttributesUpdateResponse:

        return await attributes.update_workflow(self._deps, request)

    async def GetWorkflowAttributes(
        self, request: workflow_attributes_pb2.WorkflowAttributesGetRequest
    ) -> workflow_attributes_pb2.WorkflowAttributesGetResponse:

        return await attributes.get_workflow(self._deps, request)

    async def DeleteWorkflowAttributes(
        self, request: workflow_attributes_pb2.WorkflowAttributesDeleteRequest
    ) -> workflow_attributes_pb2.WorkflowAttributesDeleteResponse:

        return await attributes.delete_workflow(self._deps, request)

    async def ListMatchableAttributes(
        self, request: matchable_resource_pb2.ListMatchableAttributesRequest
    ) -> matchable_resource_pb2.ListMatchableAttributesResponse:

        return await attributes.list_all(self._deps, request)

    async def ListNamedEntities(self, request: common_pb2.NamedEntityListRequest) -> common_pb2.NamedEntityList:

        return await named_entities.list_named_entities(self._deps, request)

    async def GetNamedEntity(self, request: common_pb2.NamedEntityGetRequest) -> common_pb2.NamedEntity:

        return await named_entities.get(self._deps, request)

    async def UpdateNamedEntity(
        self, request: common_pb2.NamedEntityUpdateRequest
    ) -> common_pb2.NamedEntityUpdateResponse:

        return await named_entities.update(self._deps, request)

    async def GetVersion(self, request: version_pb2.GetVersionRequest) -> version_pb2.GetVersionResponse:

        return await version.get(self._deps, request)

    async def GetDescriptionEntity(
        self, request: common_pb2.ObjectGetRequest
    ) -> description_entity_pb2.DescriptionEntity:

        return await descriptions.get(self._deps, request)

    async def ListDescriptionEntities(
        self, request: description_entity_pb2.DescriptionEntityListRequest
    ) -> description_entity_pb2.DescriptionEntityList:

        return await descriptions.list_descriptions(self._deps, request)

    async def GetExecutionMetrics(
        self, request: execution_pb2.WorkflowExecutionGetMetricsRequest
    ) -> execution_pb2.WorkflowExecutionGetMetricsResponse:

        return await workflow_executions.get_metrics(self._deps, request)
