from datetime import timedelta

import pytest
from flyteidl.admin import common_pb2

from flytetemporal.admin.settings import run_policies
from flytetemporal.errors import InvalidRequest


def level(called: str = "a level", **values: str) -> run_policies.Level:
    return called, common_pb2.Annotations(values={f"flytetemporal.io/{name}": value for name, value in values.items()})


def test_the_most_specific_level_says_what_becomes_of_failures() -> None:
    levels = [level(), level(**{"on-failure": "fail"}), level(**{"on-failure": "hold"})]

    assert run_policies.merge(levels, timedelta()).on_failure == "fail"


def test_without_annotations_there_is_no_policy() -> None:
    policies = run_policies.merge([level(), ("others", common_pb2.Annotations(values={"timeout": "1h"}))], timedelta())

    assert (policies.timeout, policies.rules) == (timedelta(), [])


def test_the_most_specific_timeout_counts() -> None:
    levels = [level(), level(timeout="1h30m"), level(timeout="5s")]

    assert run_policies.merge(levels, timedelta()).timeout == timedelta(hours=1, minutes=30)


def test_no_timeout_overrules_those_of_wider_levels() -> None:
    assert run_policies.merge([level(timeout="0s"), level(timeout="5s")], timedelta()).timeout == timedelta()


@pytest.mark.parametrize(("asked", "expected"), [("3h", 2), ("1h", 1), ("", 2), ("0s", 2)])
def test_no_timeout_is_longer_than_the_platforms(asked: str, expected: int) -> None:
    levels = [level(timeout=asked)] if asked else []

    assert run_policies.merge(levels, timedelta(hours=2)).timeout == timedelta(hours=expected)


def test_rules_of_all_levels_add_up_the_specific_first() -> None:
    levels = [
        level(retry="[{task: train, cause: OOMKilled, retries: 2, initial: 30s, coefficient: 3, maximum: 10m}]"),
        level(retry='[{"cause": "SYSTEM", "retries": 0}]'),
    ]

    first, second = run_policies.merge(levels, timedelta()).rules

    assert (first.task, first.cause, first.retries.value) == ("train", "OOMKilled", 2)
    assert (first.initial_interval.seconds, first.backoff_coefficient, first.maximum_interval.seconds) == (30, 3, 600)
    assert (second.cause, second.HasField("retries"), second.retries.value) == ("SYSTEM", True, 0)
    assert not second.HasField("maximum_interval")


@pytest.mark.parametrize(
    ("annotation", "text", "says"),
    [
        ("timeout", "soon", "annotation flytetemporal.io/timeout of a level: .*soon"),
        ("timeout", "-5s", "cannot be negative"),
        ("timeout", "1000000h", "cannot be longer than 876000h0m0s"),
        ("retry", "{", "annotation flytetemporal.io/retry of a level is not YAML"),
        ("retry", "[{task: 2020-99-99}]", "annotation flytetemporal.io/retry of a level is not YAML"),
        (
            "retry",
            "[" * 5000,
            "annotation flytetemporal.io/retry of a level has more than 32 brackets within each other",
        ),
        ("retry", "[" + "1," * 40_000 + "]", "retry of a level has 80002 characters, more than 65536; shorten it"),
        ("retry", "", "annotation flytetemporal.io/retry of a level: .*list"),
        ("retry", "often", "annotation flytetemporal.io/retry of a level: .*list"),
        ("retry", "[{retries: -1}]", "annotation flytetemporal.io/retry of a level at 0.retries"),
        ("retry", "[{coefficient: .inf}]", "at 0.coefficient: give a finite number"),
        ("retry", "[{}, {initial: 5}]", "of a level at 1.initial: .*duration such as 90s"),
        ("retry", "[{tries: 1}]", "at 0.tries: there is no such field"),
        ("memory", "[{factor: 2}]", "annotation flytetemporal.io/memory of a level at 0.maximum: it is missing"),
        ("memory", "[{maximum: much}]", "at 0.maximum: .*an amount of memory such as 16Gi"),
        ("memory", "[{maximum: 9e30}]", "at 0.maximum: .*less than 8Ei"),
        ("memory", "[{maximum: 1Gi, factor: 1}]", "at 0.factor: give 1.1 or more"),
        ("memory", "[{maximum: 1Gi, factor: .nan}]", "at 0.factor"),
        ("memory", "[{maximum: 1Gi, steps: 51}]", "at 0.steps: give 50 or less"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(annotation: str, text: str, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        run_policies.merge([level(**{annotation: text})], timedelta())


@pytest.mark.parametrize(("platform", "expected"), [(0, 4 * 2**30), (2**30, 2**30), (2**40, 4 * 2**30)])
def test_memory_grows_up_to_its_maximum_and_that_of_the_platform(platform: int, expected: int) -> None:
    levels = [level(memory="[{task: train, maximum: 4Gi, factor: 1.5, steps: 3}]"), level(memory="[{maximum: 4Gi}]")]

    first, second = run_policies.merge(levels, timedelta(), platform).memory_rules

    assert (first.task, first.factor, first.steps, first.maximum_bytes) == ("train", 1.5, 3, expected)
    assert (second.task, second.factor, second.steps, second.maximum_bytes) == ("", 2, 4, expected)


def test_the_level_that_cannot_be_read_is_named_even_if_it_is_overruled() -> None:
    levels = [level(timeout="1h"), level("the attributes of project p", timeout="soon")]

    with pytest.raises(InvalidRequest, match=r"timeout of the attributes of project p: .*soon"):
        run_policies.merge(levels, timedelta())


def test_a_level_can_be_checked_alone() -> None:
    run_policies.check(level(timeout="1h", retry="[{cause: USER}]"))

    with pytest.raises(InvalidRequest, match="of the launch plan"):
        run_policies.check(level("the launch plan", retry="often"))


def test_the_most_specific_size_of_batches_counts() -> None:
    levels = [level(), level(**{"map-batch": "0"}), level(**{"map-batch": "50"})]

    assert run_policies.merge(levels, timedelta()).map_batch == 0
    assert run_policies.merge([level()], timedelta()).map_batch is None


@pytest.mark.parametrize("size", ["101", "-1", "many", "", "1.5"])
def test_a_size_of_batches_that_is_no_number_up_to_a_hundred_is_refused(size: str) -> None:
    with pytest.raises(InvalidRequest, match=r"annotation flytetemporal\.io/map-batch of the attributes: "):
        run_policies.check(level("the attributes", **{"map-batch": size}))
