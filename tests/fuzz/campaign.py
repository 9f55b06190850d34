"""Send hostile requests to a running stack for a while, and judge the answers, the log and the memory of admin."""

import itertools
import json
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc
import httpx
import hypothesis
from flyteidl.cacheservice import cacheservice_pb2
from flyteidl.datacatalog import datacatalog_pb2
from flyteidl.service import admin_pb2, auth_pb2, dataproxy_pb2, identity_pb2, signal_pb2
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st

from flytetemporal.contracts.v1 import cache_operations_pb2, events_pb2, operations_pb2
from flytetemporal.rpc import transcoding
from flytetemporal.rpc.methods import Method, refuse
from flytetemporal.rpc.transcoding import Route
from tests.fixtures.stack import RunningStack
from tests.fuzz import catalog_requests, messages, requests

SERVICES = [
    admin_pb2.DESCRIPTOR.services_by_name["AdminService"],
    signal_pb2.DESCRIPTOR.services_by_name["SignalService"],
    dataproxy_pb2.DESCRIPTOR.services_by_name["DataProxyService"],
    identity_pb2.DESCRIPTOR.services_by_name["IdentityService"],
    auth_pb2.DESCRIPTOR.services_by_name["AuthMetadataService"],
    events_pb2.DESCRIPTOR.services_by_name["EventService"],
    operations_pb2.DESCRIPTOR.services_by_name["OperationsService"],
    datacatalog_pb2.DESCRIPTOR.services_by_name["DataCatalog"],
    cache_operations_pb2.DESCRIPTOR.services_by_name["CacheOperationsService"],
    cacheservice_pb2.DESCRIPTOR.services_by_name["CacheService"],
]
METHODS: list[Method] = [method for service in SERVICES for method in refuse(service, "only described here")]
ROUTES: list[Route] = transcoding.routes(METHODS)
VALID = {**requests.VALID, **catalog_requests.VALID}
CONTENT_TYPES = ["application/json", "application/octet-stream", "text/plain", "", "application/x-www-form-urlencoded"]
BODIES = [b"[" * 10_000, b'{"a":' * 5_000, b"1" * 10_000, b'"\\ud800"', b"nan", b"{}", b"null"]
# An answer that takes longer counts as a hang; a busy machine is slow.
HANG_SECONDS = 60.0
# Growth of admin's memory over a campaign: caches and connection pools fill up, a leak does not stop.
GROWTH_BYTES = 200 * 1024 * 1024
# Code that no client may ever be given.
FORBIDDEN = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DEADLINE_EXCEEDED)
FOUND_SHOWN = 40
LOG_PROBLEMS = r"Traceback|never retrieved|call_failed"


@dataclass
class Findings:
    """What a campaign did and what it found; ``problems`` maps a description to the request that shows it."""

    sent: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    problems: dict[str, str] = field(default_factory=dict)

    def note(self, problem: str, shown_by: object) -> None:
        """Remember the first request that shows a problem."""
        self.problems.setdefault(problem[:300], str(shown_by)[:1000])


class Target:
    """A running stack."""

    def __init__(self, stack: RunningStack, findings: Findings) -> None:
        self._stack = stack
        self._channel = grpc.insecure_channel(stack.grpc_endpoint)
        self._http = httpx.Client(base_url=stack.http_url, timeout=HANG_SECONDS)
        self._findings = findings
        self._log = stack.logs / "admin.log"
        self._log_start = self._log.stat().st_size

    def close(self) -> None:
        self._channel.close()
        self._http.close()

    def call(self, method: Method, request: bytes, shown: object) -> grpc.StatusCode:
        """Send one request over gRPC."""
        self._findings.sent["grpc"] += 1
        call = self._channel.unary_unary(method.path)
        try:
            call(request, timeout=HANG_SECONDS)
            code = grpc.StatusCode.OK
        except grpc.RpcError as e:
            answer: Any = e
            code = answer.code()
            if code in FORBIDDEN or (
                code is grpc.StatusCode.RESOURCE_EXHAUSTED and "metadata" in str(answer.details())
            ):
                self._findings.note(f"grpc {method.name}: {code.name} {answer.details()}", shown)
        self._findings.answers[f"grpc {code.name}"] += 1
        return code

    def request(self, verb: str, url: str, body: bytes, content_type: str) -> None:
        """Send one request over HTTP."""
        self._findings.sent["http"] += 1
        shown = f"{verb} {url[:500]} {content_type} {body[:1500]!r}"
        try:
            answer = self._http.request(verb, url, content=body, headers={"content-type": content_type})
        except httpx.TimeoutException:
            self._findings.note(f"http {verb} {_shape(url)}: no answer in {HANG_SECONDS:.0f} s", shown)
            return
        except httpx.HTTPError as e:
            self._findings.note(f"http {verb} {_shape(url)}: {type(e).__name__} {e}", shown)
            return
        self._findings.answers[f"http {answer.status_code}"] += 1
        if answer.status_code in (500, 504):
            self._findings.note(f"http {verb} {_shape(url)}: {answer.status_code} {answer.text[:200]}", shown)

    def tracebacks(self) -> list[str]:
        """Return the lines of admin's log since the start that begin a traceback or tell of a lost exception."""
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            text = log.read().decode(errors="replace")
        return [_summary(line) for line in text.splitlines() if re.search(LOG_PROBLEMS, line)]

    def memory_bytes(self) -> int:
        """Return the resident memory of admin."""
        state = json.loads((self._stack.home / "state.json").read_text())
        pages = Path(f"/proc/{state['processes']['admin']}/statm").read_text().split()[1]
        return int(pages) * 4096


def _summary(line: str) -> str:
    """Return the event and the exception of a line of the log, the same for the same defect."""
    try:
        entry = json.loads(line)
        stack = str(entry.get("exception", "")).strip().splitlines()
        places = [part.strip() for part in stack if "flytetemporal/" in part]
        return " ".join([str(entry.get("event", "")).strip(), entry.get("method", ""), *stack[-1:], *places[-1:]])[:400]
    except ValueError:
        return line[:300]


def _shape(url: str) -> str:
    return "/".join(part[:20] for part in url.split("?", 1)[0].split("/")[:4])


def prepare(target: Target) -> None:
    """Register and launch what the valid requests refer to."""
    by_path = {method.path: method for method in METHODS}
    for name, build in requests.SETUP:
        method = next(by_path[path] for path in by_path if path.endswith(f".{name}"))
        request = build()
        code = target.call(method, request.SerializeToString(), request)
        assert code in (grpc.StatusCode.OK, grpc.StatusCode.ALREADY_EXISTS), (name, code)


def run(stack: RunningStack, seconds: float, seed: int) -> Findings:
    """Send requests for ``seconds`` and return what was found; the same seed sends the same requests."""
    findings = Findings()
    target = Target(stack, findings)
    try:
        prepare(target)
        early = 0
        deadline, started = time.monotonic() + seconds, time.monotonic()
        for number in itertools.count():
            if time.monotonic() >= deadline:
                break
            _round(target, seed + number)
            if not early and time.monotonic() - started > seconds / 4:
                early = target.memory_bytes()
        _read_everything(target)
        late = target.memory_bytes()
        if early and late - early > GROWTH_BYTES:
            findings.note(f"admin grew from {early >> 20} to {late >> 20} MiB", "")
        for line in target.tracebacks():
            findings.note(f"log: {line}", "")
    finally:
        target.close()
    return findings


def _round(target: Target, seed: int) -> None:
    """Send fifty requests that derive from one seed."""

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=50,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @hypothesis.given(st.data())
    def send(data: st.DataObject) -> None:
        _send_one(target, data)

    send()


def _send_one(target: Target, data: st.DataObject) -> None:
    if data.draw(st.booleans()):
        method = data.draw(st.sampled_from(METHODS))
        request = data.draw(_request(method))
        if data.draw(st.integers(0, 30)) == 0:
            target.call(method, data.draw(st.binary(max_size=200)), "random bytes")
        else:
            target.call(method, request.SerializeToString(), request)
    else:
        target.request(*data.draw(_http_request()))


def _valid(method: Method) -> list[Message]:
    return VALID.get(f"{method.service.rsplit('.', 1)[1]}/{method.name}", [])


def _descriptor(method: Method) -> Any:
    return method.request.DESCRIPTOR


def _request(method: Method) -> st.SearchStrategy[Message]:
    valid = _valid(method)
    random_ones = messages.messages(_descriptor(method))
    if not valid:
        return random_ones
    mutated = st.sampled_from(valid).flatmap(messages.mutations)
    return st.one_of(mutated, mutated, mutated, random_ones)


@st.composite
def _http_request(draw: st.DrawFn) -> tuple[str, str, bytes, str]:
    route = draw(st.sampled_from(ROUTES))
    message = draw(_request(route.method))
    path = re.sub(r"\{([\w.]+)\}", lambda found: _segment(draw, message, found.group(1)), route.template)
    query = {name: draw(messages.texts) for name in draw(st.lists(st.sampled_from(_names(message)), max_size=3))}
    suffix = "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items()) if query else ""
    body, content_type = b"", ""
    if route.body:
        content_type = draw(st.sampled_from(CONTENT_TYPES))
        body = draw(_body(message, content_type))
    return route.verb, path + suffix, body, content_type


def _segment(draw: st.DrawFn, message: Message, name: str) -> str:
    """Return a path segment: most often what the message has there."""
    if draw(st.integers(0, 2)):
        value: Any = message
        for part in name.split("."):
            value = getattr(value, part, "")
        if isinstance(value, str) and value:
            return quote(value, safe="")
    return quote(draw(messages.texts), safe="") or "-"


def _names(message: Message) -> list[str]:
    listed = ["limit", "token", "filters", "sort_by.key", "sort_by.direction", "unknown"]
    return [*listed, *message.DESCRIPTOR.fields_by_name]


@st.composite
def _body(draw: st.DrawFn, message: Message, content_type: str) -> bytes:
    if content_type == "application/octet-stream":
        return message.SerializeToString()
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(st.binary(max_size=100))
    if kind == 1:
        return draw(st.sampled_from(BODIES))
    try:
        return json_format.MessageToJson(message).encode(errors="surrogatepass")
    except (ValueError, TypeError, json_format.Error, RecursionError):  # TypeError: an Any of an unknown type.
        return b"{}"


def _read_everything(target: Target) -> None:
    """Read all that can be listed, page by page: what was accepted must not break reads."""
    for project, domain in itertools.product(("flytesnacks", "flytetester"), ("development", "staging")):
        for kind in ("tasks", "workflows", "launch_plans", "executions"):
            target.request("GET", f"/api/v1/{kind}/{project}/{domain}?limit=1000", b"", "application/json")
        for number in range(1, 5):
            target.request(
                "GET", f"/api/v1/named_entities/{number}/{project}/{domain}?limit=1000", b"", "application/json"
            )
    target.request("GET", "/api/v1/projects?limit=1000", b"", "application/json")
    for number in range(9):
        target.request("GET", f"/api/v1/matchable_attributes?resource_type={number}", b"", "application/json")
    target.request("GET", "/api/v1/node_executions/flytesnacks/development/fuzzed?limit=1000", b"", "application/json")


def report(findings: Findings, seed: int) -> Iterator[str]:
    """Yield what is printed of a campaign."""
    yield f"seed {seed}: {sum(findings.sent.values())} requests ({dict(findings.sent)})"
    yield "  answers: " + ", ".join(f"{name} {number}" for name, number in findings.answers.most_common())
    for problem, shown in list(findings.problems.items())[:FOUND_SHOWN]:
        yield f"  PROBLEM {problem}\n    {shown}"
    yield f"  {len(findings.problems)} problems"


def new_seed() -> int:
    """Return a seed that nobody chose."""
    return random.SystemRandom().randrange(1_000_000)
