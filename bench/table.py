"""The printed tables, and the same figures as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.scale import Moves, Scaled
from bench.sizes import Size
from bench.tasks import Cost, Measured

WIDTH = 150


@dataclass(frozen=True)
class Row:
    """A figure. ``bare`` is that of a bare Temporal workflow that does the same work, in the same unit."""

    name: str
    value: float
    unit: str
    target: str = ""
    flyte: str = ""
    bare: float | None = None

    @property
    def ratio(self) -> float | None:
        """The speed relative to the bare workflow; below 1 is slower."""
        if self.bare is None or not self.value:
            return None
        return self.value / self.bare if self.unit.endswith("/s") else self.bare / self.value


@dataclass(frozen=True)
class Report:
    """The figures of all parts; ``memory`` has the resident MiB of each process before and after."""

    rows: Sequence[Row]
    tasks: Sequence[Measured]
    sizes: Sequence[Size]
    scaled: Sequence[Scaled]
    moves: Sequence[Moves]
    memory: Mapping[str, tuple[float, float]]

    def show(self) -> None:
        """Print the figures."""
        console = Console(width=WIDTH)
        console.print(_speed_table(self.rows))
        if self.tasks:
            console.print(_task_table(self.tasks))
        if self.sizes:
            console.print(_size_table(self.sizes))
        if self.scaled:
            console.print(_scale_table(self.scaled))
        for moves in self.moves:
            console.print(f"{moves.change}: {moves.moves} of {moves.runs} other runs change their worker")
        resident = Table(title="resident memory, MiB, with child processes")
        for heading in ("process", "before", "after"):
            resident.add_column(heading, justify="left" if heading == "process" else "right")
        for name, (before, after) in self.memory.items():
            resident.add_row(name, f"{before:.0f}", f"{after:.0f}")
        console.print(resident)

    def save(self, path: Path) -> None:
        """Write the figures as JSON."""
        document: dict[str, Any] = {
            "rows": [{**asdict(row), "ratio": row.ratio} for row in self.rows],
            "tasks": [asdict(measured) for measured in self.tasks],
            "sizes": [asdict(size) for size in self.sizes],
            "scale": [asdict(scaled) for scaled in self.scaled],
            "moves": [asdict(moves) for moves in self.moves],
            "memory_mib": {name: {"before": before, "after": after} for name, (before, after) in self.memory.items()},
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=1) + "\n")


def show_progress(text: str) -> None:
    """Print what has been measured, because the whole takes minutes."""
    Console(width=WIDTH).print(f"  {text}")


def _speed_table(rows: Sequence[Row]) -> Table:
    table = Table(title="flytetemporal, embedded servers, client on the same machine; medians")
    for heading in ("what", "we", "bare Temporal", "speed against bare", "target", "Flyte v1 here"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for row in rows:
        bare = "" if row.bare is None else f"{row.bare:.4g} {row.unit}"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        table.add_row(row.name, f"{row.value:.4g} {row.unit}", bare, ratio, row.target, row.flyte)
    return table


def _task_table(tasks: Sequence[Measured]) -> Table:
    table = Table(title="Python tasks per second and CPU per task, next to a process pool on bare Temporal")
    table.add_column("what")
    for heading in ("we", "process pool", "fork loop", "private memory of a task"):
        table.add_column(heading, justify="right")
    for measured in tasks:
        costs = [_cost(cost) for cost in (measured.ours, measured.pool, measured.forks)]
        table.add_row(measured.title, *costs, f"{measured.private_mib:.0f} MiB")
    return table


def _cost(cost: Cost) -> str:
    return f"{cost.per_second:.0f}/s, {cost.cpu_ms:.1f} ms"


def _scale_table(scaled: Sequence[Scaled]) -> Table:
    table = Table(title="Python tasks per second by cores and workers, and tasks of each worker")
    table.add_column("cores")
    counts = sorted({found.workers for found in scaled})
    for count in counts:
        table.add_column(f"{count} workers" if count > 1 else "1 worker", justify="right")
    for cores in sorted({found.cores for found in scaled}):
        cells = [
            f"{found.per_second:.0f}/s ({' + '.join(map(str, found.shares))})"
            for count in counts
            for found in scaled
            if (found.cores, found.workers) == (cores, count)
        ]
        table.add_row(str(cores), *cells)
    return table


def _size_table(sizes: Sequence[Size]) -> Table:
    table = Table(title="sizes; time over the sleep, longest Temporal history of the run, memory at its end")
    table.add_column("what")
    for heading in ("we", "Flyte v1 published", "histories", "longest", "", "worker", "admin", "first page of nodes"):
        table.add_column(heading, justify="right")
    for size in sizes:
        table.add_row(
            size.name,
            f"{size.seconds:.1f} s",
            size.published,
            f"{size.histories:,}",
            f"{size.longest_events:,} events",
            f"{size.longest_bytes / 2**20:.2f} MiB",
            f"{size.worker_mib:.0f} MiB",
            f"{size.admin_mib:.0f} MiB",
            f"{size.page_seconds * 1000:.0f} ms",
        )
    return table
