"""``flytetemporal logs``: prints what attempts have written, and follows those that run."""

import sys
import time
from dataclasses import dataclass, field

import click
from flyteidl.admin import node_execution_pb2
from flyteidl.core import identifier_pb2

from flytetemporal.cli import admin_calls
from flytetemporal.cli.admin_calls import Admin
from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.views import log_reading, log_sources

POLL_SECONDS = 1.0


@click.command()
@admin_calls.execution_argument
@click.argument("node", default="")
@click.option("-f", "--follow", is_flag=True, help="Print what running attempts write, until they have ended.")
@click.option("--attempt", type=click.IntRange(0), help="Number of the attempt; default: the last one.")
@admin_calls.with_admin
def logs(execution: str, node: str, attempt: int | None, admin: Admin, *, follow: bool) -> None:
    """Print the log of the node NODE of EXECUTION, or of all its nodes."""
    printer = _Printer(admin, admin.execution_id(execution), node, attempt)
    while not printer.print_new() and follow:
        time.sleep(POLL_SECONDS)
    if not printer.seen:
        place = f"node {node} of {execution}" if node else execution
        raise CommandError(f"{place} has no log{'' if attempt is None else f' of attempt {attempt}'}")


@dataclass(slots=True)
class _Printer:
    """Prints the logs of one node or of all nodes, and remembers what it has printed."""

    admin: Admin
    execution_id: identifier_pb2.WorkflowExecutionIdentifier
    node_id: str
    attempt: int | None
    # By link; None for one that leads to another system.
    seen: dict[str, log_reading.Log | None] = field(default_factory=dict)
    # By node: the first attempt to print.
    first: dict[str, int] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
    title: str = ""

    def print_new(self) -> bool:
        """Print what has been written since the last call; return whether nothing will be added to it."""
        if self.node_id:
            ended, nodes = True, [log_sources.node(self.admin, self.execution_id, self.node_id)]
        else:
            # In this order: after the end of the execution no node is added to the list.
            ended = log_sources.execution_has_ended(self.admin, self.execution_id)
            nodes = log_sources.nodes(self.admin, self.execution_id)
        for node in nodes:
            if node.id.node_id not in self.finished and self._print_node(node):
                self.finished.add(node.id.node_id)
        return ended and all(node.id.node_id in self.finished for node in nodes)

    def _print_node(self, node: node_execution_pb2.NodeExecution) -> bool:
        """Print what is new of a node; return whether it was complete before it was read."""
        attempts = log_sources.attempts(self.admin, node.id)
        wanted = self.attempt
        ended = log_sources.has_ended(node)
        if wanted is None:
            last = attempts[-1].id.retry_attempt if attempts else 0
            first = self.first.setdefault(node.id.node_id, last)
            attempts = [attempt for attempt in attempts if attempt.id.retry_attempt >= first]
        else:
            attempts = [attempt for attempt in attempts if attempt.id.retry_attempt == wanted]
            ended = ended or any(log_sources.attempt_has_ended(attempt) for attempt in attempts)
        sources = [source for attempt in attempts for source in log_sources.sources(attempt)]
        for source in sources:
            self._print_source(source, alone=bool(self.node_id) and len(sources) == 1)
        return ended

    def _print_source(self, source: log_sources.Source, *, alone: bool) -> None:
        known = source.uri in self.seen
        log = self.seen.setdefault(source.uri, log_reading.Log(source.uri) if log_reading.is_ours(source.uri) else None)
        if log is None:
            if not known:
                click.echo(f"{source.title}: see {source.uri}", err=True)
            return
        output = sys.stdout.buffer
        for chunk in log.unread():
            if source.title != self.title and not (alone and not self.title):
                output.write(f"==> {source.title} <==\n".encode())
            self.title = source.title
            output.write(chunk)
            output.flush()
