"""The printed tables, and the same figures as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.sizes import Size

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


def show(rows: Sequence[Row], sizes: Sequence[Size], memory: Mapping[str, tuple[float, float]]) -> None:
    """Print the figures."""
    console = Console(width=WIDTH)
    table = Table(title="flytetemporal, embedded servers, client on the same machine; medians")
    for heading in ("what", "we", "bare Temporal", "speed against bare", "target", "Flyte v1 here"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for row in rows:
        bare = "" if row.bare is None else f"{row.bare:.4g} {row.unit}"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        table.add_row(row.name, f"{row.value:.4g} {row.unit}", bare, ratio, row.target, row.flyte)
    console.print(table)
    if sizes:
        console.print(_size_table(sizes))
    resident = Table(title="resident memory, MiB, with child processes")
    for heading in ("process", "before", "after"):
        resident.add_column(heading, justify="left" if heading == "process" else "right")
    for name, (before, after) in memory.items():
        resident.add_row(name, f"{before:.0f}", f"{after:.0f}")
    console.print(resident)


def show_size(size: Size) -> None:
    """Print a shape as soon as it is measured, because they take minutes."""
    Console(width=WIDTH).print(f"  {size.name}: {size.seconds:.1f} s")


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


def save(path: Path, rows: Sequence[Row], sizes: Sequence[Size], memory: Mapping[str, tuple[float, float]]) -> None:
    """Write the figures as JSON."""
    document: dict[str, Any] = {
        "rows": [{**asdict(row), "ratio": row.ratio} for row in rows],
        "sizes": [asdict(size) for size in sizes],
        "memory_mib": {name: {"before": before, "after": after} for name, (before, after) in memory.items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")
