"""Errors of pure code about values become failures of a node."""

from typing import cast

import pytest
from flyteidl.core import literals_pb2

from flytetemporal.errors import ResolutionFailed
from flytetemporal.workflows.inputs import Outputs
from flytetemporal.workflows.node.outcomes import Values
from tests.fixtures.engine_runs import bind


def test_any_error_about_values_is_a_failure_to_resolve_them() -> None:
    outputs = Outputs()
    outputs.add("n0", Values(cast("literals_pb2.LiteralMap", 7), "uri"), {})

    with pytest.raises(ResolutionFailed, match=r"the values cannot be resolved: AttributeError: 'int' object has no"):
        outputs.resolve([bind("a", "n0", "o0")])
