"""``python -m tests.fuzz``: a campaign against a stack of its own."""

import argparse
import sys
import tempfile
from pathlib import Path

from scripts import background_stack
from tests.fixtures.stack import RunningStack
from tests.fuzz import campaign


def main() -> int:
    """Run the campaign and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=campaign.new_seed())
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="flytetemporal-fuzz-") as folder:
        home = Path(folder) / "home"
        with background_stack.running(home) as state:
            findings = campaign.run(RunningStack.of(home, state), options.seconds, options.seed)
    print(*campaign.report(findings, options.seed), sep="\n")
    return 1 if findings.problems else 0


if __name__ == "__main__":
    sys.exit(main())
