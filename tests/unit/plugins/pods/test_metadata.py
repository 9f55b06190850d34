"""How old the attempt of a pod is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flytetemporal.plugins.pods import metadata

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def pod(started_at: str | None, created_at: str | None = None) -> dict[str, Any]:
    annotations = {} if started_at is None else {"flytetemporal.io/started-at": started_at}
    created = {} if created_at is None else {"creationTimestamp": created_at}
    return {"metadata": {"annotations": annotations, **created}}


@pytest.mark.parametrize(
    ("started_at", "created_at", "hours"),
    [
        ("2026-01-01T09:00:00+00:00", "2026-01-01T10:00:00Z", 3),
        (None, "2026-01-01T10:00:00Z", 2),
        ("yesterday", "2026-01-01T10:00:00Z", 2),
        ("2026-01-01T13:00:00+00:00", None, 0),
        (None, None, 0),
    ],
)
def test_an_attempt_is_as_old_as_its_annotation_says_else_as_its_pod(
    started_at: str | None, created_at: str | None, hours: int
) -> None:
    assert metadata.age(pod(started_at, created_at), NOW) == timedelta(hours=hours)
