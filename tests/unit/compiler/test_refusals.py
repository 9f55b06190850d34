import json
from pathlib import Path

import pytest

from flytetemporal import errors
from tests.fixtures import templates as t

X = t.const(1)
OUT = t.promise("n0", "o0")


ANSWERS = json.loads((Path(__file__).parents[2] / "golden" / "flyte-v1.16.8-answers.json").read_text())

REFUSED = {
    "no nodes": t.workflow("none"),
    "input not bound": t.workflow("x2", [t.node(inputs=[])]),
    "unknown upstream": t.workflow("x3", [t.node(inputs=[t.bind("a", t.promise("n9", "o0"))])]),
    "unknown output variable": t.workflow(
        "x4", [t.node(), t.node("n1", [t.bind("a", t.promise("n0", "zz"))], upstream=["n0"])]
    ),
    "mistyped constant": t.workflow("x5", [t.node(inputs=[t.bind("a", t.const("s"))])]),
    "mistyped workflow input": t.workflow("x6", [t.node()], inputs={"a": t.STR}),
    "cycle": t.workflow(
        "x8",
        [
            t.node("n0", [t.bind("a", t.promise("n1", "o0"))], upstream=["n1"]),
            t.node("n1", [t.bind("a", t.promise("n0", "o0"))], upstream=["n0"]),
        ],
    ),
    "output not bound": t.workflow("x10", [t.node()], outputs={"o0": t.INT}),
    "output of the wrong type": t.workflow("x11", [t.node()], outputs={"o0": t.STR}, bound=[t.bind("o0", OUT)]),
    "extra binding": t.workflow("x12", [t.node(inputs=[t.A, t.bind("zz", X)])]),
    "variable bound twice": t.workflow("x13", [t.node(inputs=[t.A, t.A])]),
    "node without a target": t.workflow("x15", [t.bare()]),
    "empty node id": t.workflow("x16", [t.node("")]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_flyte_refuses_is_refused_in_its_words(name: str) -> None:
    expected = ANSWERS[f"workflow: {name}"]["details"].split(" with err: ")[1]

    with pytest.raises(errors.CompileFailed) as failure:
        t.compiled(REFUSED[name])

    assert failure.value.message == expected
