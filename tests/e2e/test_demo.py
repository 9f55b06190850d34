import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(900)
def test_every_example_of_the_demo_ends_as_expected() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/demo.py"], cwd=ROOT, capture_output=True, text=True, timeout=840, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "o0 = Hello, world!" in done.stdout
    assert "n0 CACHE_POPULATED" in done.stdout
    assert "n0 CACHE_HIT: demo" in done.stdout
    assert "total = 4950" in done.stdout
    assert "ValueError: invalid literal for int() with base 10: 'not a number'" in done.stdout
    assert "o0 = 990" in done.stdout
    assert "o0 = hi, Ada; hi, Grace" in done.stdout
    assert "o0 = 11" in done.stdout
    assert 'n1 waits for signal "publish"' in done.stdout
    assert "after a fix, forked into version fixed as" in done.stdout
    assert "which SUCCEEDED: 2 nodes were reused, 1 ran" in done.stdout
    assert "its schedule, every two seconds, launched f" in done.stdout
    assert "attempts had 64Mi, 128Mi, 256Mi" in done.stdout
    assert "failure node fn0 SUCCEEDED" in done.stdout
    assert "cause: the demo has seen enough" in done.stdout
    assert "was killed in the middle of the second step" in done.stdout
    assert "3 days at once: 10 of 10 launched, 0 running, 10 succeeded, 0 failed" in done.stdout
    assert "bob@example.com got an email: Execution flytesnacks/development/demonotified has succeeded" in done.stdout
    assert "execution demopaused is paused by the demo since" in done.stdout
    assert "resumed after the restart: SUCCEEDED" in done.stdout
