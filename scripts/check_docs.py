"""Check the documentation: run its code blocks, and look up the paths that it mentions.

The ``python`` blocks of a file run in one namespace, in order. ``bash`` blocks run in the checkout, against a stack of
their own; its ports replace the default ports. Of ``make`` lines only the target is checked: the targets start stacks
and environments themselves. A block whose info string has ``no-run`` is skipped, and must say why next to it.

usage: check_docs.py [FILE ...]
"""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts import background_stack, documented_names

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
TIMEOUT_SECONDS = 180


@dataclass(frozen=True)
class Block:
    file: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The lines to run. Those of make are looked up instead."""
        return [line for line in self.text.splitlines() if not line.startswith("make ")]

    @property
    def needs_stack(self) -> bool:
        return self.language == "bash" and any(line.strip() for line in self.commands)


def main() -> int:
    files = [Path(name).resolve() for name in sys.argv[1:]] or [
        *ROOT.glob("*.md"),
        *sorted((ROOT / "docs").rglob("*.md")),
    ]
    blocks = [block for file in files for block in blocks_of(file)]
    failed = 0
    with stack_for(blocks) as state:
        for file in files:
            for reference in documented_names.missing(file.read_text()):
                failed += 1
                print(f"FAIL {file.relative_to(ROOT)}: {reference}")
            namespace: dict[str, Any] = {"__name__": "__main__"}
            for block in (block for block in blocks if block.file == file):
                problem = run_python(block, namespace) if block.language == "python" else run_shell(block, state)
                failed += problem is not None
                print(f"{'ok  ' if problem is None else 'FAIL'} {block.place} ({block.language})")
                if problem is not None:
                    print(problem)
    print(f"{len(blocks)} blocks, {failed} problems")
    return 1 if failed else 0


def blocks_of(file: Path) -> list[Block]:
    text = file.read_text()
    blocks = []
    for match in FENCE.finditer(text):
        words = match["info"].split()
        if words and words[0] in ("python", "bash") and "no-run" not in words:
            blocks.append(Block(file, text.count("\n", 0, match.start()) + 1, words[0], match["text"]))
    return blocks


@contextlib.contextmanager
def stack_for(blocks: list[Block]) -> Iterator[Mapping[str, Any]]:
    """Run a stack if a block needs one; yield its state."""
    if not any(block.needs_stack for block in blocks):
        yield {}
        return
    # The key that docs/guide/triggers.md signs with.
    os.environ["FLYTETEMPORAL_TRIGGERS__WEBHOOK_KEYS"] = '{"ci": "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="}'
    with (
        tempfile.TemporaryDirectory(prefix="flytetemporal-docs-") as scratch,
        (Path(scratch) / "dev.log").open("wb") as output,
        background_stack.running(Path(scratch) / "home", output=output) as state,
    ):
        yield state


def run_python(block: Block, namespace: dict[str, Any]) -> str | None:
    """Return the traceback; None if the block succeeds."""
    try:
        exec(compile(block.text, block.place, "exec"), namespace)
    except Exception:
        return traceback.format_exc()
    return None


def run_shell(block: Block, state: Mapping[str, Any]) -> str | None:
    """Return the script and its output; None if the block succeeds."""
    for line in block.text.splitlines():
        if line.startswith("make ") and (problem := look_up(line)):
            return problem
    if not block.needs_stack:
        return None
    script = "\n".join(block.commands)
    for default, actual in (
        ("localhost:8089", state["grpc_endpoint"]),
        ("http://localhost:8088", state["http_url"]),
        ("http://localhost:8233", state["temporal_ui_url"]),
    ):
        script = script.replace(default, actual)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    finished = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env={**os.environ, "PATH": path, "FLYTECTL_CONFIG": state["client_config"]},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    return None if finished.returncode == 0 else f"{script}\n{finished.stdout}{finished.stderr}"


def look_up(line: str) -> str | None:
    """Return make's error; None if it has the target."""
    command = line.split("#", 1)[0].split()
    found = subprocess.run([*command, "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
    return None if found.returncode == 0 else found.stderr


if __name__ == "__main__":
    sys.exit(main())
