import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_example_of_the_demo_comes_out_as_expected() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/demo.py"], cwd=ROOT, capture_output=True, text=True, timeout=110, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "o0 = Hello, world!" in done.stdout
    assert "total = 4950" in done.stdout
    assert "ValueError: invalid literal for int() with base 10: 'not a number'" in done.stdout
