"""Links to the logs of pods."""

from datetime import UTC, datetime
from typing import Any

from flyteidl.core import execution_pb2 as core_execution_pb2

from flytetemporal.config.pods import LogLink, PodSettings
from flytetemporal.plugins.pods import log_links
from tests.unit.plugins.pods.attempts import context, task

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
POD = {
    "metadata": {"name": "x", "namespace": "ns", "uid": "u1", "creationTimestamp": "2026-01-01T11:59:00Z"},
    "spec": {"containers": [{"name": "main"}], "nodeName": "node"},
    "status": {"containerStatuses": [{"containerID": "containerd://abc"}]},
}


def uris(template: Any, pending: bool = False, **settings: Any) -> list[str]:
    found = log_links.links(context(template), POD, PodSettings(**settings), NOW, pending=pending)
    return [link.uri for link in found]


def test_variables_are_replaced_whatever_their_case_and_unknown_ones_stay() -> None:
    uri = (
        "/{{ .namespace }}/{{.podname}}/{{ $podUID }}/{{ .containerID }}/{{ .nodeName }}/{{ .executionName }}/"
        "{{ .taskID }}/{{ .podUnixStartTime }}/{{ .podRFC3339FinishTime }}/{{ .nothing }}/{{ .hostname }}"
    )

    assert uris(task(), kubernetes_template_uri=uri) == [
        "/ns/x/u1/abc/node/e1/flows.train/1767268740/2026-01-01T12:00:00Z/{{ .nothing }}/{{ .hostname }}"
    ]


def test_links_have_the_names_and_formats_of_the_settings() -> None:
    own = LogLink(display_name="Mine", template_uris=("/a", "/b"), message_format="json", hide_once_finished=True)

    found = log_links.links(
        context(task()),
        POD,
        PodSettings(cloudwatch_template_uri="/c", stackdriver_template_uri="/s", log_links=(own,)),
        NOW,
    )

    assert [(link.name, link.uri) for link in found] == [
        ("Cloudwatch Logs (User)", "/c"),
        ("Stackdriver Logs (User)", "/s"),
        ("Mine (User)", "/a"),
        ("Mine (User)", "/b"),
    ]
    assert (found[3].message_format, found[3].HideOnceFinished) == (core_execution_pb2.TaskLog.JSON, True)


def test_dynamic_links_are_for_tasks_that_name_them() -> None:
    links = {
        "vscode": LogLink(display_name="VSCode", template_uris=("/{{ .taskConfig.port }}",)),
        "other": LogLink(display_name="Other", template_uris=("/other",)),
    }

    assert uris(task(config={"link_type": "x, vscode", "port": "80"}), dynamic_log_links=links) == ["/80"]
    assert uris(task(), dynamic_log_links=links) == []


def test_a_pending_pod_has_only_the_links_that_may_be_shown_then() -> None:
    early = LogLink(display_name="Early", template_uris=("/early",), show_while_pending=True)
    settings: dict[str, Any] = {"log_links": (early,), "kubernetes_template_uri": "/late"}

    assert uris(task(), pending=True, **settings) == ["/early"]
    assert uris(task(), **settings) == ["/late", "/early"]
