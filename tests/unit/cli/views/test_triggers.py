"""Triggers and their events as tables."""

from google.protobuf import json_format

from flytetemporal.cli.views import triggers
from flytetemporal.contracts.v1 import triggers_pb2


def test_a_trigger_has_a_line_with_its_newest_event_execution_and_error() -> None:
    answer = json_format.ParseDict(
        {
            "triggers": [
                {
                    "launchPlan": {"name": "train", "version": "v1"},
                    "name": "after-load",
                    "kind": "success",
                    "source": "p:d:load",
                    "isActive": True,
                    "pending": 2,
                    "lastEvent": {"id": "p:d:e1", "occurredAt": "2026-01-02T03:04:05Z", "state": "SKIPPED"},
                    "lastExecution": {"name": "trabc"},
                    "lastError": "p:d:e1: concurrency limit (1) reached\nsecond line",
                },
                {"launchPlan": {"name": "train"}, "name": "pushed", "kind": "webhook", "source": "/api/v1/triggers/p"},
            ]
        },
        triggers_pb2.ListTriggersResponse(),
    )

    _, first, second = triggers.trigger_lines(answer)

    assert "train        after-load  success  p:d:load" in first
    assert "active, 2 waiting  SKIPPED 2026-01-02 03:04:05 p:d:e1  trabc" in first
    assert first.endswith("p:d:e1: concurrency limit (1) reached")
    assert second.endswith("inactive")


def test_an_event_has_a_line_with_what_it_launched_or_why_it_did_not() -> None:
    answer = json_format.ParseDict(
        {
            "events": [
                {"id": "d2", "state": "LAUNCHED", "executionId": {"name": "tr2"}},
                {"id": "d1", "state": "FAILED", "executionId": {"name": "tr1"}, "message": "the event has no [body.n]"},
            ],
            "token": "2",
        },
        triggers_pb2.ListTriggerEventsResponse(),
    )

    _, launched, failed, more = triggers.event_lines(answer)

    assert launched.split() == ["d2", "LAUNCHED", "tr2"]
    assert failed.split(maxsplit=2) == ["d1", "FAILED", "the event has no [body.n]"]
    assert more == triggers.MORE


def test_empty_lists_say_so() -> None:
    assert triggers.trigger_lines(triggers_pb2.ListTriggersResponse()) == [
        "no launch plan that is active, or was, has triggers"
    ]
    assert triggers.event_lines(triggers_pb2.ListTriggerEventsResponse()) == [
        "no event has arrived, or all are older than events are kept"
    ]
