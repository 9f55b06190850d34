"""The file of roles that is kept in Git."""

import pytest

from flytetemporal.auth import policy_file
from flytetemporal.auth.roles import Binding, Role, Scope, Subject
from flytetemporal.errors import InvalidRequest


def test_a_file_has_a_list_of_bindings() -> None:
    text = """
bindings:
  - {subject: "group:ops", role: platform_admin}
  - {subject: "user:ada", role: developer, project: p, domain: d}
"""

    assert policy_file.parse(text) == [
        Binding(Subject.parse("group:ops"), Role.PLATFORM_ADMIN),
        Binding(Subject.parse("user:ada"), Role.DEVELOPER, Scope("p", "d")),
    ]
    assert policy_file.parse("bindings: []") == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no list `bindings`"),
        ("[]", "no list `bindings`"),
        ("bindings: {}", "no list `bindings`"),
        ("{bindings: [], others: []}", "something else besides it"),
        ("bindings: [user]", "binding 1 is no map of texts"),
        ("bindings: [{subject: 'user:a', role: viewer}, {subject: 1}]", "binding 2 is no map of texts"),
        ("bindings: [{subject: 'user:a', role: viewer, projekt: p}]", "binding 1 has unknown fields: projekt"),
        ("bindings: [{role: viewer}]", "binding 1: subject"),
        ("bindings: [{subject: 'user:a'}]", "binding 1: role"),
        ("bindings: [", "is not YAML"),
        ("a: &a [*a", "is not YAML"),
        ("bindings: " + "[" * 5000, "is not YAML"),
        ("bindings: !!python/object/apply:os.system [ls]", "is not YAML"),
        ("x" * (policy_file.MAX_BYTES + 1), "characters"),
    ],
)
def test_a_wrong_file_is_refused_with_the_binding_that_is_wrong(text: str, problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem):
        policy_file.parse(text)
