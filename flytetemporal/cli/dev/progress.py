"""What the user sees while the development stack starts and runs."""

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from flytetemporal.cli.dev.child import Child, Phase
from flytetemporal.cli.dev.stack import Stack

_MARKS = {
    Phase.STARTING: ("…", "yellow"),
    Phase.READY: ("✓", "green"),
    Phase.RESTARTING: ("↻", "red"),
    Phase.STOPPED: ("■", "dim"),
}


class Progress:
    """A live table of the children until all are ready, then a line for each restart.

    Without a terminal, a line for each child as it becomes ready.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()
        self._children: Sequence[Child] = ()
        self._live: Live | None = None
        self._told_restarts = 0
        self._told_stop = False
        self._told_ready: set[str] = set()

    def watch(self, children: Sequence[Child]) -> None:
        """Show these children from now on."""
        self._children = children
        # Refreshed by changes, not by a thread: children are forked from this process.
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()

    def changed(self) -> None:
        """Show the present state."""
        if self._live is not None:
            self._live.update(self._table(), refresh=True)
            return
        self._tell_ready()
        self._tell_restarts()

    def _tell_ready(self) -> None:
        for child in self._children:
            if child.phase is Phase.READY and child.spec.name not in self._told_ready:
                self._told_ready.add(child.spec.name)
                self._console.print(f"{child.spec.name} is ready after {child.ready_seconds:.1f} s")

    def _tell_restarts(self) -> None:
        restarts = sum(child.restarts for child in self._children)
        if restarts > self._told_restarts:
            self._told_restarts = restarts
            for child in self._children:
                if child.phase is Phase.RESTARTING:
                    self._console.print(f"[red]{child.spec.name} {child.status}; it starts again[/red]")

    def ready(self, stack: Stack, notes: Sequence[str]) -> None:
        """End the live table and say where everything is and what to do next."""
        self.close()
        self._told_ready.update(child.spec.name for child in self._children)
        seconds = time.monotonic() - self._started
        self._console.print(f"[bold green]Ready[/bold green] in {seconds:.1f} s")
        for name, place in _places(stack):
            self._console.print(Text.assemble(f"  {name:<13}", (place, "cyan")), soft_wrap=True)
        for note in notes:
            self._console.print(f"  {note}", highlight=False, soft_wrap=True)
        self._console.print(
            f"\nNext, in another terminal:\n  [bold]pyflyte run --remote {_something_to_run()}[/bold]"
            "\n\nCtrl-C stops everything; the state stays."
        )

    def stopping(self) -> None:
        """Say that the stop has begun."""
        self.close()
        if not self._told_stop:
            self._told_stop = True
            self._console.print("Stopping ...")

    def close(self) -> None:
        """End the live table."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for child in sorted(self._children, key=lambda child: child.spec.name):
            mark, style = _MARKS[child.phase]
            detail = f"{child.ready_seconds:.1f} s" if child.phase is Phase.READY else child.status or child.phase
            table.add_row(Text(mark, style=style), child.spec.name, Text(detail, style="dim"))
        return table


def _places(stack: Stack) -> list[tuple[str, str]]:
    return [
        ("Flyte API", f"localhost:{stack.endpoints.grpc_port} (gRPC)  {stack.endpoints.http_url} (HTTP)"),
        ("Temporal UI", stack.endpoints.ui_url),
        ("State", str(stack.home.path)),
    ]


def _something_to_run() -> str:
    example = Path("examples/hello.py")
    return f"{example} hello_workflow" if example.exists() else "FILE.py WORKFLOW"
