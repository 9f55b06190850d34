"""Conflicting registrations say what differs, in bounded work and size."""

from flyteidl.core import tasks_pb2, types_pb2, workflow_pb2

from flytetemporal.admin.registry import message_diff
from tests.fixtures.effort import calls


def test_a_changed_value_is_shown_with_its_path() -> None:
    old = tasks_pb2.TaskTemplate(type="a")
    old.interface.inputs.variables["x"].type.simple = types_pb2.INTEGER
    new = tasks_pb2.TaskTemplate(type="a")
    new.interface.inputs.variables["x"].type.simple = types_pb2.STRING

    assert message_diff.text(old, new, 1_000) == "/interface/inputs/variables/x/type/simple:\n\t- 1\n\t+ 3"


def test_what_is_only_on_one_side_is_shown_against_nothing() -> None:
    old = workflow_pb2.WorkflowTemplate(nodes=[workflow_pb2.Node(id="n0")])
    new = workflow_pb2.WorkflowTemplate(nodes=[workflow_pb2.Node(id="n0"), workflow_pb2.Node(id="n1")])

    assert message_diff.text(old, new, 1_000) == '/nodes/1:\n\t- <nil>\n\t+ {id:"n1"}'


def test_reading_the_differences_changes_neither_message() -> None:
    old, new = tasks_pb2.TaskTemplate(), tasks_pb2.TaskTemplate(config={"a": "b"})
    new.interface.inputs.variables["x"].description = "x"
    before = old.SerializeToString(), new.SerializeToString(deterministic=True)

    message_diff.text(old, new, 1_000)

    assert (old.SerializeToString(), new.SerializeToString(deterministic=True)) == before


def test_numbers_that_json_cannot_write_are_shown() -> None:
    old, new = tasks_pb2.TaskTemplate(), tasks_pb2.TaskTemplate()
    new.custom.fields["x"].number_value = float("nan")

    assert "nan" in message_diff.text(old, new, 1_000)


def many_nodes(name: str, count: int) -> workflow_pb2.WorkflowTemplate:
    return workflow_pb2.WorkflowTemplate(nodes=[workflow_pb2.Node(id=f"{name}{number}") for number in range(count)])


def test_many_differences_are_cut() -> None:
    text = message_diff.text(many_nodes("a", 20_000), many_nodes("b", 20_000), 5_000)

    assert len(text.encode()) <= 5_010
    assert text.endswith("\n...")


def test_what_is_cut_is_not_looked_for() -> None:
    def work(count: int) -> int:
        old, new = many_nodes("a", count), many_nodes("b", count)
        return calls(lambda: message_diff.text(old, new, 5_000))

    assert work(20_000) < 1.5 * work(2_000)
