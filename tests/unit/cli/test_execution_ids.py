import click
import pytest

from flytetemporal.cli import execution_ids


@pytest.mark.parametrize(
    ("text", "project"),
    [
        ("f1", "mine"),
        ("theirs/development/f1", "theirs"),
        ("theirs:development:f1", "theirs"),
        ("http://localhost:8088/console/projects/theirs/domains/development/executions/f1?duration=all", "theirs"),
    ],
)
def test_an_execution_is_named_by_its_name_its_id_or_its_link(text: str, project: str) -> None:
    found = execution_ids.parse(text, "mine", "development")

    assert (found.project, found.domain, found.name) == (project, "development", "f1")


@pytest.mark.parametrize("text", ["", "a/b", "a/b/", "a/b/c/d", "http://localhost:8088/console"])
def test_what_is_no_id_is_refused_with_the_forms_that_are(text: str) -> None:
    with pytest.raises(click.BadParameter, match="PROJECT/DOMAIN/NAME"):
        execution_ids.parse(text, "mine", "development")
