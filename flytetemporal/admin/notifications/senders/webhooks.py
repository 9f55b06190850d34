"""Notifications to webhooks: a signed JSON document."""

import asyncio
import ipaddress
import json
import socket
from typing import Any

import httpx
from flyteidl.core import execution_pb2, identifier_pb2

from flytetemporal.admin.notifications.senders import signatures
from flytetemporal.admin.notifications.senders.protocol import Delivery
from flytetemporal.admin.outbox import hosts
from flytetemporal.admin.outbox.http import Answer, HttpPoster
from flytetemporal.config.notifications import NotificationSettings
from flytetemporal.config.webhook_keys import signing_key
from flytetemporal.contracts.v1 import notifications_pb2
from flytetemporal.errors import InvalidRequest, QuotaExceeded, Unavailable
from flytetemporal.idl import phases

_LATER = (408, 425, 429)


class WebhookSender:
    """Posts notifications to webhooks."""

    def __init__(self, settings: NotificationSettings, http: HttpPoster) -> None:
        self._settings = settings
        self._http = http
        self._keys = {name: signing_key(key) for name, key in settings.webhook_keys.items()}

    async def send(self, delivery: Delivery) -> None:
        """Post a notification to one webhook."""
        # Checked again: the settings may allow less than when the webhook was registered.
        target = hosts.check(delivery.recipient, self._settings.webhook_hosts)
        key = self._keys.get(delivery.notice.key)
        if key is None:
            raise InvalidRequest(f"there is no key {delivery.notice.key!r} any more to sign webhooks")
        content = json.dumps(document(delivery), separators=(",", ":")).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "flytetemporal",
            **signatures.headers(key, delivery.delivery_id, delivery.at, content),
        }
        _judge(await self._post(delivery.recipient, target, headers, content), target)

    async def _post(self, url: str, target: hosts.Target, headers: dict[str, str], content: bytes) -> Answer:
        place = f"the webhook on {target.destination}"
        if not target.must_be_public:
            return await self._http.post(url, place, headers=headers, content=content)
        address = await self._public_address(target)
        # The address that was checked is called, and not the name, which could have another one a moment later.
        return await self._http.post(
            httpx.URL(url).copy_with(host=address),
            place,
            headers={"Host": httpx.URL(url).netloc.decode(), **headers},
            content=content,
            extensions={"sni_hostname": target.host},
        )

    async def _public_address(self, target: hosts.Target) -> str:
        try:
            async with asyncio.timeout(self._settings.timeout.total_seconds()):
                found = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError, UnicodeError) as e:
            raise Unavailable(f"the host {target.host} has no address: {e}") from e
        addresses = [str(entry[4][0]) for entry in found]
        private = [address for address in addresses if not _is_public(address)]
        if private or not addresses:
            raise InvalidRequest(
                f"the host {target.host} has the address {', '.join(private)}, which is not public; "
                f"an operator can allow it by naming the host in {hosts.SETTING}"
            )
        return addresses[0]


def document(delivery: Delivery) -> dict[str, Any]:
    """Return the document that a webhook gets; docs/guide/notifications.md describes it."""
    notice = delivery.notice
    if not notice.HasField("execution_id"):
        return {"type": "test", "timestamp": notice.occurred_at.ToJsonString(), "data": {}}
    phase = phases.W.Phase.Name(notice.phase)
    return {
        "type": f"execution.{phase.lower()}",
        "timestamp": notice.occurred_at.ToJsonString(),
        "data": {
            "execution": {
                "project": notice.execution_id.project,
                "domain": notice.execution_id.domain,
                "name": notice.execution_id.name,
            },
            "phase": phase,
            "workflow": _entity(notice.workflow_id),
            "launch_plan": _entity(notice.launch_plan_id),
            "error": _error(notice),
            "abort_cause": notice.abort_cause or None,
        },
    }


def _entity(identifier: identifier_pb2.Identifier) -> dict[str, str]:
    return {part: getattr(identifier, part) for part in ("project", "domain", "name", "version")}


def _error(notice: notifications_pb2.Notice) -> dict[str, str] | None:
    if not notice.HasField("error"):
        return None
    kind = execution_pb2.ExecutionError.ErrorKind.Name(notice.error.kind)
    return {"code": notice.error.code, "kind": kind, "message": notice.error.message}


def _judge(answer: Answer, target: hosts.Target) -> None:
    said = f"the webhook on {target.destination} answered {answer.remark}"
    if 200 <= answer.status < 300:
        return
    if 300 <= answer.status < 400:
        raise InvalidRequest(f"{said}; redirects are not followed, register the address to which it leads")
    if answer.status in _LATER:
        raise QuotaExceeded(said)
    if answer.status >= 500:
        raise Unavailable(said)
    raise InvalidRequest(said)


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    # An IPv4 address in the form of IPv6 would otherwise pass for a public one.
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_global and not (mapped or parsed).is_multicast
