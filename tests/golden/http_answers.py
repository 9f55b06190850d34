"""What the HTTP side of a server that speaks Flyte's API answers: routes, spellings, status codes, headers, bodies.

usage: http_answers.py CONFIG BASE_URL VERSION OUT.json [STORE]      VERSION: of the cases, already registered (see record.py)

Runs cases.plain.echoes once, then asks. JSON bodies are kept whole; protobuf bodies as "protobuf: N bytes parsed as TYPE".
"""
from __future__ import annotations

import json
import re
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import grpc
import yaml
from flyteidl.admin import common_pb2, execution_pb2, project_pb2, workflow_pb2
from flyteidl.core import identifier_pb2, literals_pb2
from flyteidl.service.admin_pb2_grpc import AdminServiceStub

P, D = "flytesnacks", "development"
config, base, version, out = sys.argv[1:5]
store = sys.argv[5] if len(sys.argv) > 5 else ""
admin = AdminServiceStub(grpc.insecure_channel(yaml.safe_load(Path(config).read_text())["admin"]["endpoint"].removeprefix("dns:///")))
five = literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=5)))
eid = admin.CreateExecution(execution_pb2.ExecutionCreateRequest(
    project=P, domain=D, inputs=literals_pb2.LiteralMap(literals={"a": five}), spec=execution_pb2.ExecutionSpec(launch_plan=identifier_pb2.Identifier(
        resource_type=identifier_pb2.LAUNCH_PLAN, project=P, domain=D, name="cases.plain.echoes", version=version)))).id.name
while admin.GetExecution(execution_pb2.WorkflowExecutionGetRequest(id=identifier_pb2.WorkflowExecutionIdentifier(
        project=P, domain=D, name=eid))).closure.phase < 4:
    time.sleep(0.2)

E_ = f"{P}/{D}/{eid}"
W_ = f"{P}/{D}/cases.plain.echoes"
PROTO = {"Accept": "application/octet-stream"}
JSON = {"Content-Type": "application/json"}
create = lambda **k: json.dumps({"project": P, "domain": D, "inputs": {"literals": {"a": {"scalar": {"primitive": {"integer": "5"}}}}}, **k}).encode()
plan = {"resource_type": "LAUNCH_PLAN", "project": P, "domain": D, "name": "cases.plain.echoes", "version": version}
REQUESTS: list[tuple] = [  # name, method, path, headers, body, message type of a protobuf answer
    ("projects", "GET", "/api/v1/projects", {}, None, None),
    ("projects as protobuf", "GET", "/api/v1/projects", PROTO, None, project_pb2.Projects),
    ("project", "GET", f"/api/v1/projects/{P}", {}, None, None),
    ("project unknown", "GET", "/api/v1/projects/nosuch", {}, None, None),
    ("domains", "GET", "/api/v1/domains", {}, None, None),
    ("version", "GET", "/api/v1/version", {}, None, None),
    ("execution", "GET", f"/api/v1/executions/{E_}", {}, None, None),
    ("execution as protobuf", "GET", f"/api/v1/executions/{E_}", PROTO, None, execution_pb2.Execution),
    ("execution unknown", "GET", f"/api/v1/executions/{P}/{D}/nosuchexecution", {}, None, None),
    ("execution unknown as protobuf", "GET", f"/api/v1/executions/{P}/{D}/nosuchexecution", PROTO, None, None),
    ("execution data", "GET", f"/api/v1/data/executions/{E_}", {}, None, None),
    ("execution metrics", "GET", f"/api/v1/metrics/executions/{E_}?depth=1", {}, None, None),
    ("executions, no limit", "GET", f"/api/v1/executions/{P}/{D}", {}, None, None),
    ("executions, filter and sort", "GET", f"/api/v1/executions/{P}/{D}?limit=1&filters=eq(workflow.name,cases.plain.echoes)&sort_by.key=created_at&sort_by.direction=DESCENDING", {}, None, None),
    ("executions, bad filter", "GET", f"/api/v1/executions/{P}/{D}?limit=1&filters=nonsense", {}, None, None),
    ("executions, unknown query key", "GET", f"/api/v1/executions/{P}/{D}?limit=1&colour=red", {}, None, None),
    ("executions, limit not a number", "GET", f"/api/v1/executions/{P}/{D}?limit=many", {}, None, None),
    ("executions, camelCase sort key", "GET", f"/api/v1/executions/{P}/{D}?limit=1&sortBy.key=created_at&sortBy.direction=DESCENDING", {}, None, None),
    ("node executions", "GET", f"/api/v1/node_executions/{E_}?limit=10&sort_by.key=created_at&sort_by.direction=ASCENDING", {}, None, None),
    ("node data", "GET", f"/api/v1/data/node_executions/{E_}/n0", {}, None, None),
    ("task executions", "GET", f"/api/v1/task_executions/{E_}/n0?limit=10", {}, None, None),
    ("workflow", "GET", f"/api/v1/workflows/{W_}/{version}", {}, None, None),
    ("workflow as protobuf", "GET", f"/api/v1/workflows/{W_}/{version}", PROTO, None, workflow_pb2.Workflow),
    ("workflow versions", "GET", f"/api/v1/workflows/{W_}?limit=1", {}, None, None),
    ("workflow ids", "GET", f"/api/v1/workflow_ids/{P}/{D}?limit=2&sort_by.key=name&sort_by.direction=ASCENDING", {}, None, None),
    ("named entities", "GET", f"/api/v1/named_entities/WORKFLOW/{P}/{D}?limit=2&sort_by.key=name&sort_by.direction=ASCENDING", {}, None, None),
    ("named entities by number", "GET", f"/api/v1/named_entities/2/{P}/{D}?limit=1&sort_by.key=name", {}, None, None),
    ("launch plan", "GET", f"/api/v1/launch_plans/{W_}/{version}", {}, None, None),
    ("active launch plan", "GET", f"/api/v1/active_launch_plans/{W_}", {}, None, None),
    ("task", "GET", f"/api/v1/tasks/{P}/{D}/cases.echo_int/{version}", {}, None, None),
    ("attributes not set", "GET", f"/api/v1/project_domain_attributes/{P}/{D}?resource_type=EXECUTION_QUEUE", {}, None, None),
    ("user info", "GET", "/me", {}, None, None),
    ("health", "GET", "/healthcheck", {}, None, None),
    ("oauth metadata", "GET", "/.well-known/oauth-authorization-server", {}, None, None),
    ("client config", "GET", "/config/v1/flyte_client", {}, None, None),
    ("openapi", "GET", "/api/v1/openapi", {}, None, None),
    ("no such route", "GET", "/api/v1/nosuch", {}, None, None),
    ("root", "GET", "/", {}, None, None),
    ("wrong method", "PATCH", "/api/v1/projects", JSON, b"{}", None),
    ("create, snake_case", "POST", "/api/v1/executions", JSON, create(spec={"launch_plan": plan}), None),
    ("create, camelCase", "POST", "/api/v1/executions", JSON, create(spec={"launchPlan": {("resourceType" if k == "resource_type" else k): v for k, v in plan.items()}}), None),
    ("create, unknown field", "POST", "/api/v1/executions", JSON, create(colour="red", spec={"launch_plan": plan}), None),
    ("create, malformed JSON", "POST", "/api/v1/executions", JSON, b"{", None),
    ("create, empty", "POST", "/api/v1/executions", JSON, b"{}", None),
    ("create, protobuf body", "POST", "/api/v1/executions", {"Content-Type": "application/octet-stream", **PROTO},
     execution_pb2.ExecutionCreateRequest(project=P, domain=D).SerializeToString(), None),
    ("terminate finished", "DELETE", f"/api/v1/executions/{E_}", JSON, b'{"cause": "too late"}', None),
    ("archive", "PUT", f"/api/v1/executions/{E_}", JSON, b'{"state": "EXECUTION_ARCHIVED"}', None),
    ("cross-origin preflight", "OPTIONS", "/api/v1/projects", {"Origin": "http://example.com", "Access-Control-Request-Method": "GET",
                                                             "Access-Control-Request-Headers": "Content-Type"}, None, None),
    ("cross-origin get", "GET", "/api/v1/domains", {"Origin": "http://example.com"}, None, None),
]
KEEP = {"content-type", "access-control-allow-origin", "access-control-allow-methods", "access-control-allow-headers",
        "access-control-allow-credentials", "location", "vary"}


def normal(s: str) -> str:
    s = s.replace(eid, "<exec>").replace(version, "<version>")
    s = s.replace(store + "/", "<store>/") if store else s
    s = re.sub(r"(s3|gs|file)://[^/\s\"]+/", "<store>/", s)
    s = re.sub(r"<store>/data/[a-z0-9]{2}/", "<store>/data/<shard>/", s)
    s = re.sub(r"\b[0-9a-f]{32}\b", "<random>", s)
    s = re.sub(r"\ba[a-z0-9]{19}\b", "<other exec>", s)
    s = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>", s)
    s = re.sub(r'"(duration|Duration)": ?"[0-9.]+s"', r'"\1":"<duration>"', s)
    return re.sub(r"http://(localhost|127\.0\.0\.1):\d+", "<base>", s)


answers = {}
for name, method, path, headers, body, kind in REQUESTS:
    request = urllib.request.Request(base + path, data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as r:
            status, got, raw = r.status, r.headers, r.read()
    except urllib.error.HTTPError as e:
        status, got, raw = e.code, e.headers, e.read()
    answer: dict = {"request": normal(f"{method} {path}"), "status": status,
                    "headers": {k.lower(): normal(v) for k, v in got.items() if k.lower() in KEEP}}
    if kind is not None and status == 200:
        kind.FromString(raw)
        answer["body"] = f"protobuf: parsed as {kind.DESCRIPTOR.full_name}"
    else:
        text = normal(raw.decode("utf-8", "replace"))
        try:
            answer["body"] = json.loads(text) if name != "openapi" else f"swagger 2.0, {len(json.loads(text)['paths'])} paths"
        except ValueError:
            answer["body"] = text if len(text) < 500 else f"text of {len(raw) // 1000} kB"
    answers[name] = answer
Path(out).write_text(json.dumps(answers, indent=1, ensure_ascii=False) + "\n")
print({s: sum(a["status"] == s for a in answers.values()) for s in sorted({a["status"] for a in answers.values()})})
