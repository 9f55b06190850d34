"""Labels and project ids follow Kubernetes' rules."""

import pytest

from flytetemporal import errors
from flytetemporal.admin.base import kubernetes_labels


@pytest.mark.parametrize(
    ("key", "value"), [("team", "a"), ("a.b/c_d", ""), ("example.com/Name", "My_Value.1"), ("k" * 63, "v" * 63)]
)
def test_labels_that_kubernetes_takes_are_taken(key: str, value: str) -> None:
    kubernetes_labels.check({key: value})


@pytest.mark.parametrize("key", ["", "-a", "a/b/c", "/a", "a/", "Upper/a", "k" * 64, "a b", "a\n"])
def test_wrong_keys_are_refused(key: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=r"^invalid label key"):
        kubernetes_labels.check({key: "x"})


@pytest.mark.parametrize("value", ["#bad", "a b", "-a", "a-", "v" * 64, "é", "a\n"])
def test_wrong_values_are_refused(value: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=r"^invalid label value"):
        kubernetes_labels.check({"team": value})


def test_there_are_at_most_sixteen_labels() -> None:
    kubernetes_labels.check({f"k{number}": "" for number in range(16)})

    with pytest.raises(errors.InvalidRequest, match=r"^labels map cannot exceed 16 entries$"):
        kubernetes_labels.check({f"k{number}": "" for number in range(17)})


@pytest.mark.parametrize("identifier", ["Bad_Id", "-a", "a-", "a.b", "a" * 64, "a\n"])
def test_project_ids_are_dns_labels(identifier: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=r"^invalid project id"):
        kubernetes_labels.check_project_id(identifier)
