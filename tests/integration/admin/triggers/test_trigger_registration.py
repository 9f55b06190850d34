"""Triggers that could never launch their launch plan, or would launch it without end, are refused."""

from dataclasses import replace

import pytest
from flyteidl.core import types_pb2
from pydantic import SecretStr

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.config.triggers import TriggerSettings
from tests.fixtures import triggered
from tests.fixtures.registrations import DOMAIN, PROJECT, STR
from tests.fixtures.triggered import active, register, register_source, set_state

DATETIME = types_pb2.LiteralType(simple=types_pb2.DATETIME)


@pytest.fixture(autouse=True)
async def _registered(deps: Dependencies) -> None:
    await triggered.register_workflows(deps)


@pytest.mark.parametrize(
    ("triggers", "says"),
    [
        ("[{name: t", "annotation flytetemporal.io/triggers of the launch plan is not YAML"),
        (
            "[{name: t, success: nothing, inputs: {a: outputs.o0}}]",
            f"trigger t waits for launch plan {PROJECT}:{DOMAIN}:nothing, which is not registered; register it first",
        ),
        (
            "[{name: t, success: {launch_plan: load, domain: production}, inputs: {a: outputs.o0}}]",
            f"trigger t waits for launch plan {PROJECT}:production:load, which is not registered; register it first",
        ),
        ("[{name: t, success: load}]", "trigger t leaves the required input [a] unset; add it to the inputs"),
        (
            "[{name: t, success: load, inputs: {a: outputs.o0, b: time}}]",
            "trigger t sets the input [b], which the launch plan does not have or has fixed",
        ),
        (
            "[{name: t, success: load, inputs: {a: outputs.rows}}]",
            "trigger t takes the input [a] from the output [rows], and the outputs of its source are: o0",
        ),
        (
            "[{name: t, success: load, inputs: {a: time}}]",
            "trigger t takes the input [a] from [time], which is simple:DATETIME, and the input is simple:INTEGER",
        ),
        (
            "[{name: t, success: load, inputs: {a: execution}}]",
            "trigger t takes the input [a] from [execution], which is simple:STRING, and the input is simple:INTEGER",
        ),
        (
            "[{name: t, webhook: github, inputs: {a: body.n}}]",
            "trigger t names the key [github], which admin does not have; ask your operator to add it to "
            "FLYTETEMPORAL_TRIGGERS__WEBHOOK_KEYS",
        ),
        (
            "[{name: t, success: train, inputs: {a: outputs.o0}}]",
            "trigger t waits for launch plan flytesnacks:development:train, which is not registered",
        ),
    ],
)
async def test_a_trigger_that_cannot_launch_is_refused(deps: Dependencies, triggers: str, says: str) -> None:
    with pytest.raises(errors.InvalidRequest) as refused:
        await register(deps, "train", triggers=triggers)

    assert says in refused.value.message


async def test_an_output_of_another_type_is_refused(deps: Dependencies) -> None:
    triggers = [{"name": "t", "success": "load", "inputs": {"a": "outputs.o0", "s": "outputs.o0"}}]

    with pytest.raises(errors.InvalidRequest, match=r"\[s\] from \[outputs.o0\], which is simple:INTEGER, and"):
        await register(deps, "train", triggers=triggers, inputs={"s": STR})


async def test_each_trigger_has_to_set_what_is_required(deps: Dependencies) -> None:
    triggers = [
        {"name": "t", "success": "load", "inputs": {"a": "outputs.o0", "at": "time"}},
        {"name": "u", "success": "load", "inputs": {"a": "outputs.o0"}},
    ]

    with pytest.raises(errors.InvalidRequest, match=r"trigger u leaves the required input \[at\] unset"):
        await register(deps, "train", triggers=triggers, inputs={"at": DATETIME})


async def test_a_launch_plan_cannot_wait_for_itself(deps: Dependencies) -> None:
    again = "[{name: t, success: load, inputs: {a: outputs.o0}}]"

    with pytest.raises(errors.InvalidRequest, match="development:load without end: load -> load; remove"):
        await register_source(deps, "load", "v2", again)


async def test_a_cycle_is_refused_when_its_last_launch_plan_is_registered(deps: Dependencies) -> None:
    for name, after in (("b", "load"), ("c", "b")):
        await register_source(deps, name, triggers=f"[{{name: t, success: {after}, inputs: {{a: outputs.o0}}}}]")
        await set_state(deps, name)

    with pytest.raises(errors.InvalidRequest, match="without end: load -> b -> c -> load; remove one of them"):
        await register_source(deps, "load", "v2", "[{name: t, success: c, inputs: {a: outputs.o0}}]")


async def test_a_cycle_of_registered_launch_plans_is_refused_when_the_last_one_is_activated(deps: Dependencies) -> None:
    await register_source(deps, "b", triggers="[{name: t, success: load, inputs: {a: outputs.o0}}]")
    await register_source(deps, "load", "v2", "[{name: t, success: b, inputs: {a: outputs.o0}}]")
    await set_state(deps, "b")

    with pytest.raises(errors.FailedPrecondition, match="without end: load -> b -> load"):
        await set_state(deps, "load", "v2")

    assert [trigger.launch_plan.name for trigger in await triggered.listed(deps)] == ["b"]
    await set_state(deps, "b", state=triggered.INACTIVE)
    await set_state(deps, "load", "v2")


async def test_a_chain_that_meets_itself_without_the_new_launch_plan_is_no_cycle(deps: Dependencies) -> None:
    """Two ways lead from ``load`` to ``d``."""
    for name, after in (("b", "load"), ("c", "load")):
        await register_source(deps, name, triggers=f"[{{name: t, success: {after}, inputs: {{a: outputs.o0}}}}]")
        await set_state(deps, name)

    await active(
        deps,
        "d",
        [{"name": name, "success": name, "inputs": {"a": "outputs.o0"}} for name in ("b", "c")],
    )

    assert len(await triggered.listed(deps, "d")) == 2


async def test_a_webhook_with_a_key_that_admin_has_is_accepted(deps: Dependencies) -> None:
    deps = replace(deps, triggers=TriggerSettings(webhook_keys={"github": SecretStr("k" * 32)}))

    await active(deps, "train", [{"name": "t", "webhook": "github", "inputs": {"a": "body.n"}}])

    (trigger,) = await triggered.listed(deps)
    assert (trigger.kind, trigger.source) == ("webhook", f"/api/v1/triggers/{PROJECT}/{DOMAIN}/train/t")
