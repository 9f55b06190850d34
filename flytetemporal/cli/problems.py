"""Errors of servers in plain words. The texts of their client libraries name types and sources of these instead."""

import re
import socket
import sys

import grpc

_UNANSWERED = "does not answer in time"
_UNREACHABLE = "cannot be reached"
_NOT_RUNNING = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN)
# What the texts of tonic, hyper and gRPC contain, in lower case, and what it means. The first that fits counts.
_MEANINGS = (
    (("refused",), "does not answer: the connection is refused, so nothing listens there"),
    (("dns error", "lookup", "name or service", "resolv"), "cannot be found: its name has no address"),
    (("certificate", "handshake", "ssl", "tls"), "does not agree on TLS: compare the TLS settings of both sides"),
    (("timed out", "timeout", "deadline"), _UNANSWERED),
    (("unreachable", "no route"), "cannot be reached: the network has no route to it"),
    (
        ("http/2", "frame", "connection closed", "canceled", "reset", "broken pipe"),
        "does not speak gRPC: another server may listen there, or one that requires TLS",
    ),
)


# What a client of ours says instead of Flyte's texts, or adds to them.
_MISSING = re.compile(
    r"missing entity of type (?P<kind>[A-Za-z _]+) with identifier .*?project:\"(?P<project>[^\"]*)\""
)
_DOMAIN = re.compile(r"domain:\"(?P<domain>[^\"]*)\"")
_LISTS = {"execution": "executions", "task": "tasks", "workflow": "workflows", "launch plan": "launch-plans"}
_FILTER = re.compile(r"'[a-z]+\.(?P<field>.*)' is invalid filter")


def answer(server: str, problem: BaseException) -> str:
    """Return what a call of ``server`` has ended with, as one sentence that starts with the server."""
    if isinstance(problem, grpc.Call | grpc.aio.AioRpcError):
        return f"{server} {_grpc_answer(problem)}"
    # Only a process that has imported temporalio, which takes longer than a call of admin, can hold its errors.
    temporal = sys.modules.get("temporalio.service")
    if temporal is not None and isinstance(problem, temporal.RPCError):
        return f"{server} answers {problem.status.name}: {_first_line(problem.message)}"
    if isinstance(problem, TimeoutError):
        return f"{server} {_UNANSWERED}"
    if isinstance(problem, socket.gaierror | RuntimeError):  # All that temporalio raises when it cannot connect.
        return f"{server} {_meaning(str(problem)) or _UNREACHABLE}"
    return _first_line(str(problem)) or type(problem).__name__


def _grpc_answer(call: grpc.Call | grpc.aio.AioRpcError) -> str:
    code, details = call.code(), _first_line(str(call.details() or ""))
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        return _UNANSWERED
    if code in _NOT_RUNNING and (meaning := _meaning(details)):
        return meaning
    return f"answers {code.name}: {_in_our_words(details)}"


def _in_our_words(details: str) -> str:
    """Return an answer with the next step, if it is one of Flyte's texts that name none."""
    if found := _FILTER.fullmatch(details):
        return f"there is no field [{found['field']}] to filter by"
    if found := _MISSING.match(details):
        domain, listed = _DOMAIN.search(details), _LISTS.get(found["kind"].lower().replace("_", " "))
        if listed and domain:
            scope = f"-p {found['project']} -d {domain['domain']}"
            return f"{details}: `flytetemporal get {listed} {scope}` lists those that exist"
    return details


def _meaning(text: str) -> str:
    lower = text.lower()
    return next((meaning for words, meaning in _MEANINGS if any(word in lower for word in words)), "")


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
