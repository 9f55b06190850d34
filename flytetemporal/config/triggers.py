"""Settings of triggers: which webhooks are accepted, and bounds."""

from datetime import timedelta

from pydantic import ByteSize, Field

from flytetemporal.config.part import Part
from flytetemporal.config.webhook_keys import WebhookKey


class TriggerSettings(Part):
    """Triggers of launch plans. Admin and control workers need the same ones."""

    webhook_keys: dict[str, WebhookKey] = Field(default_factory=dict)
    """Keys with which senders sign webhooks, by the name that triggers give: 24 to 64 bytes in base64. Without any, no
    trigger can be a webhook."""
    webhook_max_age: timedelta = Field(default=timedelta(minutes=5), gt=timedelta(0), le=timedelta(days=1))
    """A webhook whose timestamp is further than this from admin's clock is refused. The default is that of the
    specification Standard Webhooks."""
    webhook_body_bytes: ByteSize = ByteSize(256 * 1024)
    """Largest body of a webhook. It is kept with its event."""
    max_depth: int = Field(default=10, ge=1, le=500)
    """Executions that triggers launch one after the other, each on the success of the one before. The next event is
    skipped, so that a chain ends which leads through launch plans of many versions."""
    event_age: timedelta = Field(default=timedelta(days=30), ge=timedelta(days=1))
    """Events are kept this long after their arrival, if they have a result. At least a day: it is also what finds a
    webhook that is sent again."""
