"""A minute of hostile requests to a stack of its own; ``make fuzz`` takes ten."""

from pathlib import Path

from scripts import background_stack
from tests.fixtures.stack import RunningStack
from tests.fuzz import campaign

SECONDS = 60.0


def test_no_request_breaks_admin(tmp_path: Path) -> None:
    seed = campaign.new_seed()
    home = tmp_path / "home"

    with background_stack.running(home) as state:
        findings = campaign.run(RunningStack.of(home, state), SECONDS, seed)

    print(*campaign.report(findings, seed), sep="\n")
    assert findings.sent["grpc"] > 0
    assert findings.sent["http"] > 0
    assert not findings.problems
