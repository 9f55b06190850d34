"""The terminal output of the development stack while it starts and runs."""

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from flytetemporal.cli.dev.child_process import ChildProcess, Phase
from flytetemporal.cli.dev.stack import Stack

_MARKS = {
    Phase.STARTING: ("…", "yellow"),
    Phase.READY: ("✓", "green"),
    Phase.RESTARTING: ("↻", "red"),
    Phase.STOPPED: ("■", "dim"),
}


class Progress:
    """A live table of the processes until all are ready, then a line for each restart.

    Without a terminal, a line for each process that becomes ready.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()
        self._children: Sequence[ChildProcess] = ()
        self._live: Live | None = None
        self._printed_restarts = 0
        self._printed_stop = False
        self._printed_ready: set[str] = set()

    def start(self, children: Sequence[ChildProcess]) -> None:
        """Start to show these processes."""
        self._children = children
        # Refreshed on changes instead of by a thread: a fork while another thread holds a lock copies that lock.
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()

    def changed(self) -> None:
        """Show the current state."""
        if self._live is not None:
            self._live.update(self._table(), refresh=True)
            return
        self._print_ready()
        self._print_restarts()

    def _print_ready(self) -> None:
        for child in self._children:
            if child.phase is Phase.READY and child.spec.name not in self._printed_ready:
                self._printed_ready.add(child.spec.name)
                self._console.print(f"{child.spec.name} is ready after {child.ready_seconds:.1f} s")

    def _print_restarts(self) -> None:
        restarts = sum(child.restarts for child in self._children)
        if restarts > self._printed_restarts:
            self._printed_restarts = restarts
            for child in self._children:
                if child.phase is Phase.RESTARTING:
                    self._console.print(f"[red]{child.spec.name} {child.status}; restarting[/red]")

    def show_ready(self, stack: Stack, notes: Sequence[str]) -> None:
        """End the live table and print the endpoints, the notes and a command to try."""
        self.close()
        self._printed_ready.update(child.spec.name for child in self._children)
        seconds = time.monotonic() - self._started
        self._console.print(f"[bold green]Ready[/bold green] in {seconds:.1f} s")
        for name, endpoint in _endpoints(stack):
            self._console.print(Text.assemble(f"  {name:<13}", (endpoint, "cyan")), soft_wrap=True)
        for note in notes:
            self._console.print(f"  {note}", highlight=False, soft_wrap=True)
        self._console.print(
            f"\nNext, in another terminal:\n  [bold]pyflyte run --remote {_example_command()}[/bold]"
            "\n\nPress Ctrl-C to stop everything; the state is kept."
        )

    def show_stopping(self) -> None:
        """Print, once, that the stack is stopping."""
        self.close()
        if not self._printed_stop:
            self._printed_stop = True
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


def _endpoints(stack: Stack) -> list[tuple[str, str]]:
    return [
        ("Flyte API", f"localhost:{stack.endpoints.grpc_port} (gRPC)  {stack.endpoints.http_url} (HTTP)"),
        ("Temporal UI", stack.endpoints.ui_url),
        ("State", str(stack.folder.path)),
    ]


def _example_command() -> str:
    example = Path("examples/hello.py")
    return f"{example} hello_workflow" if example.exists() else "FILE.py WORKFLOW"
