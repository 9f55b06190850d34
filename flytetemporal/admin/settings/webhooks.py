"""The webhooks of an execution, from the annotation ``flytetemporal.io/webhooks``.

The value is a YAML list of mappings with ``url`` and any of ``phases``, in which an execution ends, and ``key``, the
name of the key that signs the requests. The annotation of an execution replaces that of its launch plan, and that of a
launch plan replaces those of matching attributes. ``disable_all`` of an execution stops webhooks, too.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from flyteidl.admin import common_pb2, execution_pb2
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from flytetemporal import errors
from flytetemporal.admin.outbox import hosts
from flytetemporal.admin.settings import execution_settings, run_policies
from flytetemporal.admin.settings.run_policies import Level
from flytetemporal.config.notifications import NotificationSettings
from flytetemporal.contracts.v1 import notifications_pb2

WEBHOOKS = f"{run_policies.PREFIX}webhooks"
KEYS = "FLYTETEMPORAL_NOTIFICATIONS__WEBHOOK_KEYS"
DEFAULT_KEY = "default"
MOST = 10
_Phase = Literal["SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"]
_ALL: tuple[_Phase, ...] = ("SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT")


def _url(text: str) -> str:
    try:
        hosts.parts(text)
    except errors.InvalidRequest as e:
        raise ValueError(e.message) from e
    return text


class WebhookPolicy(BaseModel):
    """One webhook of the annotation."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    url: Annotated[str, AfterValidator(_url)]
    phases: Annotated[tuple[_Phase, ...], Field(min_length=1)] = _ALL
    key: str = DEFAULT_KEY

    def message(self) -> notifications_pb2.Webhook:
        """Return the webhook as it is stored."""
        return notifications_pb2.Webhook(url=self.url, phases=self.phases, key=self.key)


_POLICIES = TypeAdapter(Annotated[list[WebhookPolicy], Field(max_length=MOST)])


def check(annotations: common_pb2.Annotations, settings: NotificationSettings, name: str = "the launch plan") -> None:
    """Refuse webhooks that cannot be read, or that the settings do not allow. Raises ``InvalidRequest``."""
    for policy in _read((name, annotations)) or ():
        try:
            check_target(policy.url, policy.key, settings)
        except errors.InvalidRequest as e:
            raise errors.InvalidRequest(f"annotation {WEBHOOKS} of {name}: {e.message}") from e


def check_target(url: str, key: str, settings: NotificationSettings) -> hosts.Target:
    """Return the target of a webhook. Raises ``InvalidRequest`` if the settings do not allow it."""
    target = hosts.check(url, settings.webhook_hosts)
    if key not in settings.webhook_keys:
        raise errors.InvalidRequest(f"there is no key {key!r} to sign webhooks; ask your operator to add it to {KEYS}")
    return target


def effective(
    spec: execution_pb2.ExecutionSpec, levels: Sequence[Level], settings: NotificationSettings
) -> notifications_pb2.Webhooks:
    """Return the webhooks of an execution. ``levels`` are its annotations, most specific first.

    Raises:
        InvalidRequest: an annotation cannot be read, or that of the execution names what the settings do not allow.
    """
    if execution_settings.is_inherited(spec):
        # What a launch plan node passes on is of its parent, whose end has its own webhooks.
        levels = [level for level in levels if level[0] != execution_settings.OF_EXECUTION]
    else:
        check(spec.annotations, settings, execution_settings.OF_EXECUTION)
    named = [_read(level) for level in levels]  # All of them are read: none may be wrong.
    chosen = next((policies for policies in named if policies is not None), [])
    if spec.disable_all:
        chosen = []
    return notifications_pb2.Webhooks(webhooks=[policy.message() for policy in chosen])


def _read(level: Level) -> list[WebhookPolicy] | None:
    return run_policies.value_of(level, WEBHOOKS, _POLICIES)
