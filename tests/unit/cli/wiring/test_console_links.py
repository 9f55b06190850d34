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


async def test_the_console_link_of_an_execution_redirects_to_temporals_ui(client: httpx.AsyncClient) -> None:
    answer = await client.get("/console/projects/p/domains/d/executions/e1")

    assert answer.headers["location"] == "http://localhost:8233/namespaces/default/workflows/p%3Ad%3Ae1"


async def test_the_console_link_of_an_entity_redirects_to_its_json(client: httpx.AsyncClient) -> None:
    answer = await client.get("/console/projects/p/domains/d/workflow/a.b/version/v1")

    assert answer.headers["location"] == "/api/v1/workflows/p/d/a.b/v1"


def test_there_are_no_redirects_without_a_ui() -> None:
    assert console_links.routes(TemporalSettings()) == []
