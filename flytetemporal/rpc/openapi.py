"""A Swagger 2.0 description of the HTTP routes, for users and code generators."""

import json
from collections.abc import Iterable
from typing import Any

from flytetemporal.rpc.transcoding import Route


def document(routes: Iterable[Route]) -> str:
    """Return the description as JSON text."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.template, {})[route.verb.lower()] = _operation(route)
    return json.dumps(
        {
            "swagger": "2.0",
            "info": {"title": "flytetemporal", "version": "v1"},
            "consumes": ["application/json", "application/octet-stream"],
            "produces": ["application/json", "application/octet-stream"],
            "paths": dict(sorted(paths.items())),
        },
        indent=1,
    )


def _operation(route: Route) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "type": "string"} for name in route.variables
    ]
    if route.body:
        parameters.append({"name": "body", "in": "body", "schema": {"type": "object"}})
    return {
        "operationId": f"{route.method.service.rsplit('.', 1)[-1]}_{route.method.name}",
        "parameters": parameters,
        "responses": {
            "200": {"description": route.method.response.DESCRIPTOR.full_name},
            "default": {"description": "google.rpc.Status"},
        },
    }
