import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flyteidl.core import identifier_pb2, tasks_pb2

from flytetemporal.plugins.container_engine import arguments
from flytetemporal.plugins.container_engine.arguments import Mount, Request
from flytetemporal.plugins.protocol import TaskContext


def context(command: tuple[str, ...], *arguments_: str) -> TaskContext:
    execution = identifier_pb2.WorkflowExecutionIdentifier(project="p", domain="d", name="e")
    return TaskContext(
        name="e-n0-0",
        node_execution_id=identifier_pb2.NodeExecutionIdentifier(execution_id=execution, node_id="n0"),
        attempt=0,
        template=tasks_pb2.TaskTemplate(container=tasks_pb2.Container(command=command, args=arguments_)),
        command=(*command, *arguments_),
        image="some:image",
        environment={},
        resources=tasks_pb2.Resources(),
        inputs_uri="",
        output_dir="",
        raw_output_dir="",
        timeout=timedelta(0),
        interruptible=False,
    )


def request(**changes: Any) -> Request:
    nothing: dict[str, Any] = {
        "labels": {},
        "mounts": [],
        "environment": {},
        "hidden": [],
        "memory_bytes": 0,
        "cpus": Decimal(0),
        "options": [],
    }
    return Request(**{**nothing, **changes})


def created(task: TaskContext, **changes: Any) -> list[str]:
    """Return the arguments after the name and the log driver."""
    whole = arguments.create(task, request(**changes))
    assert whole[:4] == ["--name", arguments.container_name(task.name, task.key), "--log-driver", "none"]
    return whole[4:]


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (context((), "a", "b"), ["some:image", "a", "b"]),
        (context(("run",)), ["--entrypoint", "run", "some:image"]),
        (context(("run", "x"), "a"), ["--entrypoint", "run", "some:image", "x", "a"]),
        (context(()), ["some:image"]),
    ],
)
def test_a_command_replaces_the_entry_point_and_arguments_the_command(task: TaskContext, expected: list[str]) -> None:
    assert created(task) == expected


def test_everything_that_is_asked_for_is_passed_on() -> None:
    found = created(
        context(()),
        labels={"l": "1"},
        mounts=[Mount(Path("/a,b"), "/in", read_only=True), Mount(Path("/c"), "/out")],
        environment={"X": "1 2", "A": "=,"},
        hidden=["SECRET"],
        memory_bytes=5,
        cpus=Decimal("0.0001"),
        options=["--network=host"],
    )

    assert found == [
        *("--label", "l=1", "--mount", 'type=bind,"source=/a,b",target=/in,readonly'),
        *("--mount", "type=bind,source=/c,target=/out", "--env", "A==,", "--env", "X=1 2", "--env", "SECRET"),
        *("--memory", "5", "--cpus", "0.01", "--network=host", "some:image"),
    ]


def test_names_can_be_read_and_are_unique() -> None:
    first, second = (arguments.container_name("E x/ä.n0-0", f"p/d/{number}") for number in range(2))

    assert first != second
    assert first.startswith("flyte-E-x-.n0-0-")
    assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", arguments.container_name("-" * 90 + "x" * 90, "p/d/x"))
