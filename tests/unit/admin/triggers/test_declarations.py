"""The annotation that declares triggers: what is read, and what is refused with which sentence."""

import json

import pytest
from flyteidl.admin import common_pb2

from flytetemporal.admin.triggers import declarations
from flytetemporal.errors import InvalidRequest


def read(text: str) -> list[declarations.Trigger]:
    return declarations.read(common_pb2.Annotations(values={"flytetemporal.io/triggers": text}))


def test_a_launch_plan_without_the_annotation_has_no_triggers() -> None:
    assert declarations.read(common_pb2.Annotations()) == []


def test_yaml_and_json_say_the_same() -> None:
    yaml = """
    - name: after-load
      success: load
      inputs: {rows: outputs.rows, at: time}
    - name: pushed
      webhook: github
      inputs: {branch: body.ref, first: body.commits.0.id, all: body, by: delivery}
    """
    triggers = [
        {"name": "after-load", "success": "load", "inputs": {"rows": "outputs.rows", "at": "time"}},
        {
            "name": "pushed",
            "webhook": "github",
            "inputs": {"branch": "body.ref", "first": "body.commits.0.id", "all": "body", "by": "delivery"},
        },
    ]

    assert read(yaml) == read(json.dumps(triggers))
    assert [trigger.kind for trigger in read(yaml)] == ["success", "webhook"]


def test_a_source_can_be_in_another_project_and_domain() -> None:
    (trigger,) = read("[{name: a, success: {launch_plan: load, project: p, domain: production}}]")

    assert trigger.success == declarations.Source(launch_plan="load", project="p", domain="production")


@pytest.mark.parametrize(
    ("prefix", "folder"), [("s3://b/in/", "s3://b/in"), ("s3://b", "s3://b"), ("file:///in/", "/in"), ("/in", "/in")]
)
def test_a_prefix_is_a_folder(prefix: str, folder: str) -> None:
    (trigger,) = read(f"[{{name: a, prefix: '{prefix}', suffix: .csv, existing: true, inputs: {{x: uri, at: time}}}}]")

    assert (trigger.kind, trigger.folder) == ("prefix", folder)


def test_what_is_stored_reads_back() -> None:
    (trigger,) = read("[{name: a, success: {launch_plan: load, domain: staging}, inputs: {x: execution}}]")

    assert declarations.from_stored(declarations.stored(trigger)) == trigger


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[", "is not YAML"),
        ("{name: a}", "give a list"),
        ("[{success: load}]", "at 0.name: it is missing"),
        ("[{name: a}]", "give exactly one of"),
        ("[{name: a, success: load, webhook: k}]", "give exactly one of"),
        ("[{name: A b, success: load}]", "at 0.name: it must match"),
        (f"[{{name: {'a' * 64}, success: load}}]", "at most 63 characters"),
        ("[{name: a, success: ''}]", "at least 1 character"),
        ("[{name: a, success: load, when: now}]", "at 0.when: there is no such field"),
        ("[{name: a, success: load}, {name: a, success: other}]", "two triggers have the name a"),
        ("[{name: a, success: load, inputs: {x: body.y}}]", "input x cannot be taken from [body.y]: give execution,"),
        ("[{name: a, webhook: k, inputs: {x: outputs.y}}]", "input x cannot be taken from [outputs.y]: give delivery,"),
        ("[{name: a, webhook: k, inputs: {x: body..y}}]", "input x cannot be taken from [body..y]"),
        ("[{name: a, prefix: ''}]", "at 0.prefix: give at least 1 character"),
        ("[{name: a, prefix: /in, inputs: {x: body}}]", "input x cannot be taken from [body]: give uri or time"),
        ("[{name: a, webhook: k, suffix: .csv}]", "suffix and existing go with prefix"),
        ("[{name: a, success: load, existing: true}]", "suffix and existing go with prefix"),
        ("[{name: a, webhook: 'K K'}]", "at 0.webhook: it must match"),
        (json.dumps([{"name": f"t{n}", "success": "load"} for n in range(21)]), "at most 20 items"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(text: str, says: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(text)

    assert "annotation flytetemporal.io/triggers of the launch plan" in refused.value.message
    assert says in refused.value.message
    assert "\n" not in refused.value.message
