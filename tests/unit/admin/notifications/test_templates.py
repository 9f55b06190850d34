"""Templates have Flyte's variables; values cannot become HTML or further headers."""

from flyteidl.core import execution_pb2, identifier_pb2

from flytetemporal.admin.notifications import templates
from flytetemporal.contracts.v1 import notifications_pb2

W = execution_pb2.WorkflowExecution
NOTICE = notifications_pb2.Notice(
    execution_id=identifier_pb2.WorkflowExecutionIdentifier(project="p", domain="d", name="e1"),
    phase=W.TIMED_OUT,
    workflow_id=identifier_pb2.Identifier(project="wp", domain="wd", name="w", version="wv"),
    launch_plan_id=identifier_pb2.Identifier(project="lp", domain="ld", name="l", version="lv"),
)
VARIABLES = (
    "project domain name phase error workflow.project workflow.domain workflow.name workflow.version "
    "launch_plan.project launch_plan.domain launch_plan.name launch_plan.version"
)


def failed(message: str) -> notifications_pb2.Notice:
    notice = notifications_pb2.Notice()
    notice.CopyFrom(NOTICE)
    notice.error.message = message
    return notice


def test_every_variable_of_flyte_is_replaced() -> None:
    template = " ".join(f"{{{{ {name} }}}}" for name in VARIABLES.split())

    assert templates.body(template, NOTICE) == "p d e1 timed_out  wp wd w wv lp ld l lv"


def test_variables_are_written_with_blanks_or_without() -> None:
    assert templates.body("{{name}} {{ name }}", NOTICE) == "e1 e1"


def test_unknown_variables_stay() -> None:
    assert templates.body("{{ nothing }} {{ Name }}", NOTICE) == "{{ nothing }} {{ Name }}"


def test_the_error_is_a_sentence() -> None:
    assert templates.body("It failed.{{ error }}", failed("boom")) == (
        "It failed. The execution failed with error: [boom]."
    )


def test_values_are_escaped_in_a_body_and_variables_in_values_are_not_replaced() -> None:
    assert templates.body("<b>{{ error }}</b>", failed("<script> {{ name }}")) == (
        "<b> The execution failed with error: [&lt;script&gt; {{ name }}].</b>"
    )


def test_a_subject_is_one_line() -> None:
    subject = templates.subject("{{ error }}", failed("a\r\nBcc: eve@example.com"))

    assert subject == "The execution failed with error: [a Bcc: eve@example.com]."


def test_a_template_that_repeats_a_long_value_is_cut() -> None:
    body = templates.body("{{error}}" * 7000, failed('"' * 4000))

    assert len(body) == templates.MAX_BODY
    assert body.startswith(" The execution failed with error: [&quot;&quot;")
