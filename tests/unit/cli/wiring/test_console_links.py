import httpx
import pytest
from starlette.applications import Starlette

from flytetemporal.cli.wiring import console_links
from flytetemporal.config.temporal import TemporalSettings


@pytest.fixture
def client() -> httpx.AsyncClient:
    settings = TemporalSettings(ui_url="http://localhost:8233", namespace="default")
    transport = httpx.ASGITransport(Starlette(routes=console_links.routes(settings)))
    return httpx.AsyncClient(transport=transport, base_url="http://admin")


@pytest.mark.parametrize("node", ["", "/nodeId/n0/nodes"])
async def test_the_console_link_of_an_execution_redirects_to_temporals_ui(client: httpx.AsyncClient, node: str) -> None:
    answer = await client.get(f"/console/projects/p/domains/d/executions/e1{node}")

    assert answer.headers["location"] == "http://localhost:8233/namespaces/default/workflows/p%3Ad%3Ae1"


@pytest.mark.parametrize(
    ("kind", "collection"), [("task", "tasks"), ("workflow", "workflows"), ("launch_plan", "launch_plans")]
)
@pytest.mark.parametrize(("version", "quoted"), [("v1", "v1"), ("feature/x y", "feature%2Fx%20y")])
async def test_the_console_link_of_an_entity_redirects_to_its_json(
    client: httpx.AsyncClient, kind: str, collection: str, version: str, quoted: str
) -> None:
    answer = await client.get(f"/console/projects/p/domains/d/{kind}/a.b/version/{version}")

    assert answer.headers["location"] == f"/api/v1/{collection}/p/d/a.b/{quoted}"


def test_there_are_no_redirects_without_a_ui() -> None:
    assert console_links.routes(TemporalSettings()) == []
