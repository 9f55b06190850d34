"""Settings of notifications: who sends emails, and which webhooks are allowed."""

import re
import ssl
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from flytetemporal.config.part import Part
from flytetemporal.config.webhook_keys import WebhookKey

_HOST = re.compile(r"(http://)?(\*|(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(:\d{1,5})?", re.IGNORECASE)
_REQUIRED = {"smtp": ("smtp_host",), "ses": ("ses_region",), "sendgrid": ("sendgrid_api_key",), "": ()}


def _host(entry: str) -> str:
    if _HOST.fullmatch(entry) is None:
        raise ValueError(f"{entry!r} is not a host such as hooks.example.com, *.example.com or http://10.0.0.7:9000")
    return entry


def certificates(path: str) -> str:
    """Return the path of a file of certificates, or an empty one. Raises ``ValueError`` if it has none."""
    if path:
        try:
            ssl.create_default_context().load_verify_locations(path)
        except OSError as e:  # SSLError is one, too.
            raise ValueError(f"{path} has no certificates in PEM form: {e.strerror or e}") from e
    return path


class NotificationSettings(Part):
    """Emails and webhooks at the end of executions. Admin and control workers need the same ones."""

    sender: Literal["", "smtp", "ses", "sendgrid"] = ""
    """Who sends emails; empty: nobody does, and each email is recorded as failed."""
    from_address: str = ""
    """The address from which emails are sent. Required with a ``sender``."""
    subject: str = "Execution {{ project }}/{{ domain }}/{{ name }} has {{ phase }}"
    """Template of subjects, with Flyte's variables; see docs/guide/notifications.md."""
    body: str = (
        "Execution {{ name }} of workflow {{ workflow.name }} has {{ phase }} in {{ project }}/{{ domain }}.{{ error }}"
    )
    """Template of bodies, which are HTML: values are escaped, the template is not."""
    smtp_host: str = ""
    """The SMTP server."""
    smtp_port: int = Field(default=587, ge=1, le=65_535)
    """Its port: 587 for STARTTLS, 465 for TLS."""
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """``starttls`` refuses a server that does not offer it. ``none`` sends the password, too, as plain text."""
    smtp_username: str = ""
    """Empty: no login."""
    smtp_password: SecretStr = SecretStr("")
    """The password of the login."""
    ses_region: str = ""
    """AWS region of Amazon SES. Credentials come from where AWS's clients look for them."""
    ses_endpoint: str = ""
    """URL of another endpoint of SES, such as that of a VPC; empty: the region's."""
    sendgrid_api_key: SecretStr = SecretStr("")
    """The key of SendGrid, with the permission to send."""
    sendgrid_url: str = "https://api.sendgrid.com"
    """SendGrid's API; ``https://api.eu.sendgrid.com`` for accounts in Europe."""
    webhook_hosts: tuple[Annotated[str, AfterValidator(_host)], ...] = ()
    """Hosts that webhooks may call; none by default, since any client can register a webhook. ``hooks.example.com`` and
    ``host:8443`` stand for one host over https, ``http://host:9000`` for one without TLS, ``*.example.com`` and ``*``
    for many. Hosts that only a ``*`` allows must have public addresses."""
    webhook_keys: dict[str, WebhookKey] = Field(default_factory=dict)
    """Keys that sign webhooks, by name: 24 to 64 bytes in base64. A webhook that names no key uses ``default``."""
    ca_file: Annotated[str, AfterValidator(certificates)] = ""
    """PEM file of certificates to trust besides the usual ones, for SMTP servers and webhooks of your own."""
    timeout: timedelta = Field(default=timedelta(seconds=10), gt=timedelta(0), le=timedelta(minutes=5))
    """Limit of one attempt, from the look-up of the host to the end of the answer."""
    first_pause: timedelta = Field(default=timedelta(seconds=10), gt=timedelta(0))
    """The pause after the first attempt that failed. It doubles with each one."""
    longest_pause: timedelta = Field(default=timedelta(minutes=15), gt=timedelta(0))
    """The longest pause between two attempts."""
    max_attempts: int = Field(default=100, ge=1)
    """A notification is given up after this many attempts."""
    give_up_after: timedelta = Field(default=timedelta(days=1), gt=timedelta(0))
    """A notification is given up at this age, if it was attempted."""

    @model_validator(mode="after")
    def _complete(self) -> "NotificationSettings":
        required = ("from_address", *_REQUIRED[self.sender]) if self.sender else ()
        missing = [name for name in required if not _text(getattr(self, name))]
        if missing:
            raise ValueError(f"sender {self.sender} needs {' and '.join(missing)}")
        if bool(self.smtp_username) != bool(_text(self.smtp_password)):
            raise ValueError("smtp_username and smtp_password are only of use together")
        return self


def _text(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
