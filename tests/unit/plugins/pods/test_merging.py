"""Pods that are based on a pod template."""

from typing import Any

import pytest

from flytetemporal.plugins.pod_targets import Json
from flytetemporal.plugins.pods.merging import merged
from tests.unit.plugins.pods.attempts import built, pod_task, task


@pytest.mark.parametrize(
    ("base", "over", "expected"),
    [
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1, "b": True, "c": "x"}, {"a": 0, "b": False, "c": ""}, {"a": 1, "b": True, "c": "x"}),
        ({"a": [1]}, {"a": [2]}, {"a": [1, 2]}),
        ({"a": [1]}, {"a": []}, {"a": [1]}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}}, {"a": {"x": 1, "y": 3}}),
        ({}, {"a": False}, {"a": False}),
        ({"a": 1}, {"a": None}, {"a": 1}),
    ],
)
def test_values_that_are_not_empty_win_and_lists_are_concatenated(base: Json, over: Json, expected: Any) -> None:
    assert merged(base, over) == expected


def template(*containers: Json, **spec: Any) -> Json:
    return {"metadata": {"labels": {"a": "base", "project": "x"}}, "spec": {"containers": [*containers], **spec}}


def test_settings_of_the_pod_template_are_kept_and_lists_grow() -> None:
    base = template(tolerations=[{"key": "base"}], priorityClassName="high", restartPolicy="Always")

    pod = built(pod_task({"containers": [{"name": "main"}], "tolerations": [{"key": "own"}]}), base=base)

    assert pod["spec"]["tolerations"] == [{"key": "base"}, {"key": "own"}]
    assert (pod["spec"]["priorityClassName"], pod["spec"]["restartPolicy"]) == ("high", "Never")
    assert (pod["metadata"]["labels"]["a"], pod["metadata"]["labels"]["project"]) == ("base", "p")


def test_containers_are_those_of_the_pod_on_their_bases() -> None:
    base = template(
        {"name": "default", "workingDir": "/default", "tty": True},
        {"name": "primary", "workingDir": "/primary"},
        {"name": "side", "workingDir": "/side"},
        {"name": "main", "workingDir": "/not-used"},
        {"name": "dropped"},
    )
    own = pod_task({"containers": [{"name": "main"}, {"name": "side"}, {"name": "third"}]})

    found = built(own, base=base)["spec"]["containers"]

    assert [(one["name"], one["workingDir"], one["tty"]) for one in found] == [
        ("main", "/primary", True),
        ("side", "/side", True),
        ("third", "/default", True),
    ]


def test_init_containers_have_bases_of_their_own() -> None:
    base = {
        "spec": {"initContainers": [{"name": "default-init", "tty": True}, {"name": "primary-init", "stdin": True}]}
    }
    own = pod_task({"containers": [{"name": "main"}], "initContainers": [{"name": "first"}]})

    pod = built(own, base=base)

    (first,) = pod["spec"]["initContainers"]
    assert (first["tty"], first.get("stdin"), pod["spec"]["containers"][0].get("tty")) == (True, None, None)


def test_resources_of_the_pod_template_precede_the_defaults_only() -> None:
    base = template({"name": "primary", "resources": {"requests": {"cpu": "3", "memory": "3Gi"}}})
    own = pod_task({"containers": [{"name": "main", "resources": {"requests": {"cpu": "2"}}}]})

    pod = built(own, base=base)

    assert pod["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "2", "memory": "3Gi"}


def test_variables_of_the_pod_template_come_first() -> None:
    base = template({"name": "default", "env": [{"name": "A", "value": "base"}]})

    (only,) = built(task(), {"default_env_vars": {"A": "own"}}, base)["spec"]["containers"]

    assert [entry["value"] for entry in only["env"] if entry["name"] == "A"] == ["base", "own"]
