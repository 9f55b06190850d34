"""``flytetemporal notify --test``: sends a notification on the way that all take."""

import time

import click

from flytetemporal.cli import admin_calls, printing
from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.views import notifications as views
from flytetemporal.contracts.v1 import notifications_pb2

SEND = "/flytetemporal.v1.OperationsService/SendTestNotification"
GET = "/flytetemporal.v1.OperationsService/GetNotification"
POLL_SECONDS = 0.5
Notification = notifications_pb2.Notification


@click.command()
@click.option("--test", is_flag=True, required=True, help="Send a test; there is nothing else to send.")
@click.option("--email", default="", metavar="ADDRESS", help="Send an email.")
@click.option("--webhook", default="", metavar="URL", help="Call a webhook.")
@click.option("--key", default="", help="Name of the key that signs the webhook's request; default: default.")
@click.option("--wait", default=60.0, show_default=True, metavar="SECONDS", help="How long to wait for the outcome.")
@printing.option
@admin_calls.with_admin
def notify(
    *, test: bool, email: str, webhook: str, key: str, wait: float, output: str, admin: admin_calls.Admin
) -> None:
    """Send a test notification and say what became of it.

    It takes the way of all notifications: admin queues it, and a control worker delivers it. Exit status 0: it was
    delivered.
    """
    if bool(email) == bool(webhook):
        raise click.UsageError("give either --email ADDRESS or --webhook URL")
    request = notifications_pb2.SendTestNotificationRequest()
    if email:
        request.email = email
    else:
        request.webhook.url, request.webhook.key = webhook, key
    sent = admin.call(SEND, request, Notification)
    found = _outcome(admin, sent, wait)
    printing.show(output, found, lambda: views.table([found]))
    if found.state != Notification.DELIVERED:
        raise CommandError(_problem(found, wait))


def _outcome(admin: admin_calls.Admin, sent: Notification, seconds: float) -> Notification:
    """Return the notification once it has been attempted, or when the time is over."""
    deadline = time.monotonic() + seconds
    found = sent
    while found.state == Notification.PENDING and not found.problem and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        request = notifications_pb2.GetNotificationRequest(delivery_id=sent.delivery_id)
        found = admin.call(GET, request, Notification)
    return found


def _problem(found: Notification, seconds: float) -> str:
    if found.state == Notification.FAILED:
        return f"the notification was not delivered: {found.problem}"
    if found.problem:
        return f"the first attempt failed, and further ones follow: {found.problem}"
    if found.attempts:
        return f"the first attempt has not ended within {seconds:g} s"
    return f"no control worker has sent it within {seconds:g} s; see whether one runs"
