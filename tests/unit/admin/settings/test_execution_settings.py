"""The first level that sets a field wins; maps are taken whole."""

from flyteidl.admin import common_pb2, execution_pb2, launch_plan_pb2
from flyteidl.core import security_pb2
from google.protobuf import wrappers_pb2

from flytetemporal.admin.settings import execution_settings
from flytetemporal.admin.settings.execution_settings import Config

Request = execution_pb2.ExecutionSpec
Plan = launch_plan_pb2.LaunchPlanSpec
NO = wrappers_pb2.BoolValue(value=False)
YES = wrappers_pb2.BoolValue(value=True)


def account(name: str) -> security_pb2.SecurityContext:
    return security_pb2.SecurityContext(run_as=security_pb2.Identity(k8s_service_account=name))


def test_the_request_wins_over_the_launch_plan_and_that_over_attributes() -> None:
    levels = [Config(max_parallelism=3, interruptible=YES), Config(max_parallelism=4, security_context=account("c"))]

    merged = execution_settings.merge(
        Request(max_parallelism=1), Plan(max_parallelism=2, interruptible=NO, security_context=account("p")), levels, 25
    )

    assert (merged.max_parallelism, merged.interruptible) == (1, NO)
    assert merged.security_context.run_as.k8s_service_account == "p"


def test_maps_are_never_merged() -> None:
    of_request = common_pb2.Labels(values={"a": "1"})
    of_plan = common_pb2.Labels(values={"b": "2"})

    merged = execution_settings.merge(Request(labels=of_request), Plan(labels=of_plan), [], 25)

    assert merged.labels == of_request


def test_an_empty_map_counts_as_not_set() -> None:
    of_plan = common_pb2.Labels(values={"b": "2"})

    merged = execution_settings.merge(Request(labels=common_pb2.Labels()), Plan(labels=of_plan), [], 25)

    assert merged.labels == of_plan


def test_any_level_may_overwrite_the_cache() -> None:
    assert execution_settings.merge(Request(), Plan(), [Config(overwrite_cache=True)], 25).overwrite_cache


def test_without_settings_the_defaults_hold() -> None:
    merged = execution_settings.merge(Request(), None, [], 25)

    assert merged.max_parallelism == 25
    assert merged.security_context == security_pb2.SecurityContext(run_as=security_pb2.Identity())
    assert not merged.HasField("interruptible")


def test_deprecated_roles_come_last() -> None:
    auth = common_pb2.AuthRole(assumable_iam_role="old")
    plan = Plan(role="oldest")

    assert execution_settings.merge(Request(auth_role=auth), plan, [], 1).security_context.run_as.iam_role == "old"
    assert execution_settings.merge(Request(), plan, [], 1).security_context.run_as.iam_role == "oldest"
    level = Config(security_context=account("new"))
    assert execution_settings.merge(Request(auth_role=auth), plan, [level], 1).security_context == account("new")


def test_secrets_without_an_identity_are_kept() -> None:
    secrets = security_pb2.SecurityContext(secrets=[security_pb2.Secret(group="g", key="k")])

    merged = execution_settings.merge(Request(security_context=secrets), None, [], 1)

    assert [secret.key for secret in merged.security_context.secrets] == ["k"]
