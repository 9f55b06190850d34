"""What becomes of an attempt whose pod the API server refuses. Pure.

The table mirrors flytepropeller's nodes/task/k8s/plugin_manager.go and nodes/task/backoff/error_handling.go.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from flytetemporal.idl import quantities
from flytetemporal.kube.api import KubeProblem
from flytetemporal.plugins.pod_targets import Json
from flytetemporal.plugins.protocol import ErrorKind, PhaseInfo, TaskPhase, failed

_QUOTA = "exceeded quota"
_LAST = {
    400: ("BadTaskFormat", False),
    403: ("RuntimeFailure", True),
    413: ("EntityTooLarge", False),
    422: ("BadTaskFormat", False),
}
_AMOUNTS = re.compile(r"(?:^|,)\s*([^=,\s]+)=([^,\s]+)")
_SECTIONS = re.compile(r"requested: (?P<requested>.*?), used: (?P<used>.*?), limited: (?P<limited>.*)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What follows: a last phase, or another try."""

    info: PhaseInfo
    """The last phase, or the one that clients see until the next try."""
    ceilings: Mapping[str, Decimal]
    """By kind of resource: pods with such a limit or a larger one are refused by a quota at this moment."""
    may_pass: bool = False
    """Whether another try within a minute may succeed, although ``info`` is a last phase."""

    @property
    def meanwhile(self) -> PhaseInfo:
        """The phase that clients see until that minute is over."""
        text = self.info.error.message if self.info.error is not None else self.info.reason
        return PhaseInfo(TaskPhase.QUEUED, reason=f"the pod cannot be created now: {text}")


def of(problem: KubeProblem, namespace: str) -> Refusal:
    """Return what follows from the answer to the creation of a pod."""
    message = problem.message
    if problem.status == 403 and _QUOTA in message:
        return _quota(message)
    if problem.status in (429, 504) or (problem.status == 403 and "etcdserver:" in message):
        return _waiting(f"the API server is overloaded: {message}")
    if problem.status in _LAST:
        code, recoverable = _LAST[problem.status]
        return _last(code, message, recoverable=recoverable, may_pass=problem.status == 403)
    if problem.status == 404:
        text = f"namespace [{namespace}] does not exist: {message}"
        return Refusal(failed("NamespaceNotFound", text, ErrorKind.SYSTEM, recoverable=True), {}, may_pass=True)
    return Refusal(PhaseInfo(TaskPhase.QUEUED, reason=f"the pod cannot be created now: {message}"), {})


def demand(pod: Json) -> dict[str, Decimal]:
    """Return the limits of a pod by kind of resource: its largest init container, or all containers together."""
    spec, total, largest = pod["spec"], dict[str, Decimal](), dict[str, Decimal]()
    for container in spec["containers"]:
        for name, amount in _limits(container).items():
            total[name] = total.get(name, Decimal(0)) + amount
    for container in spec.get("initContainers") or ():
        for name, amount in _limits(container).items():
            largest[name] = max(largest.get(name, Decimal(0)), amount)
    return {name: max(total.get(name, Decimal(0)), largest.get(name, Decimal(0))) for name in total | largest}


def _quota(message: str) -> Refusal:
    found = _SECTIONS.search(message)
    requested, limited = (_amounts(found[name]) if found else {} for name in ("requested", "limited"))
    # A pod that asks for exactly the quota fits as soon as it is alone. Flyte fails it.
    if any(requested[name] > limited.get(name, requested[name]) for name in requested if "." in name):
        text = f"the task asks for more than the whole quota of its namespace: {message}"
        return _last("ResourceRequestsExceedLimits", text, recoverable=False)
    ceilings = {
        name.removeprefix("limits."): amount for name, amount in requested.items() if name.startswith("limits.")
    }
    return _waiting(f"Exceeded resourcequota: {message}", ceilings)


def _waiting(reason: str, ceilings: Mapping[str, Decimal] | None = None) -> Refusal:
    return Refusal(PhaseInfo(TaskPhase.WAITING_FOR_RESOURCES, reason=reason), ceilings or {})


def _last(code: str, message: str, *, recoverable: bool, may_pass: bool = False) -> Refusal:
    return Refusal(failed(code, message, ErrorKind.USER, recoverable=recoverable), {}, may_pass=may_pass)


def _amounts(text: str) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for name, value in _AMOUNTS.findall(text):
        try:
            found[name] = quantities.parse(value)
        except ValueError:
            continue
    return found


def _limits(container: Json) -> dict[str, Decimal]:
    limits = (container.get("resources") or {}).get("limits") or {}
    return _amounts(",".join(f"{name}={value}" for name, value in limits.items()))
