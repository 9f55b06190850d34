"""Redirects for links to Flyte's console, which this installation does not have.

pyflyte prints a link for each execution, which is redirected to Temporal's UI, and for each registered task, workflow
and launch plan, which is redirected to its JSON. Links to nodes, which tasks have in ``FLYTE_EXECUTION_URL``, lead to
their execution.
"""

from urllib.parse import quote

from flyteidl.core import identifier_pb2
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from flytetemporal.config.temporal import TemporalSettings
from flytetemporal.idl import naming

EXECUTION_PATH = "/console/projects/{project}/domains/{domain}/executions/{name}"
NODE_PATH = EXECUTION_PATH + "/nodeId/{node_id}/nodes"
ENTITY_PATH = "/console/projects/{project}/domains/{domain}/{kind}/{name}/version/{version:path}"
_COLLECTIONS = {"task": "tasks", "workflow": "workflows", "launch_plan": "launch_plans"}


def temporal_ui_url(settings: TemporalSettings, execution: identifier_pb2.WorkflowExecutionIdentifier) -> str:
    """Return the URL of an execution's workflow in Temporal's UI."""
    workflow_id = quote(naming.temporal_workflow_id(execution), safe="")
    return f"{settings.ui_url.rstrip('/')}/namespaces/{settings.namespace}/workflows/{workflow_id}"


def routes(settings: TemporalSettings) -> list[Route]:
    """Return the routes of the redirects; none unless ``ui_url`` is set."""
    if not settings.ui_url:
        return []

    async def execution(request: Request) -> Response:
        names = {part: request.path_params[part] for part in ("project", "domain", "name")}
        return RedirectResponse(temporal_ui_url(settings, identifier_pb2.WorkflowExecutionIdentifier(**names)))

    return [Route(EXECUTION_PATH, execution), Route(NODE_PATH, execution), Route(ENTITY_PATH, _entity)]


async def _entity(request: Request) -> Response:
    names = request.path_params
    collection = _COLLECTIONS.get(names["kind"])
    if collection is None:
        return PlainTextResponse(f"there is no page for a {names['kind']}", status_code=404)
    path = "/".join(quote(names[part], safe="") for part in ("project", "domain", "name", "version"))
    return RedirectResponse(f"/api/v1/{collection}/{path}")
