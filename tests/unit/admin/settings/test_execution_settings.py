"""The first level that sets a field wins; maps are taken whole."""

from typing import Any

from flyteidl.admin import common_pb2, execution_pb2, launch_plan_pb2
from flyteidl.core import identifier_pb2, literals_pb2, security_pb2
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


def child(**inherited: Any) -> Request:
    metadata = execution_pb2.ExecutionMetadata(
        mode=execution_pb2.ExecutionMetadata.CHILD_WORKFLOW,
        parent_node_execution=identifier_pb2.NodeExecutionIdentifier(node_id="n0"),
    )
    return Request(metadata=metadata, **inherited)


def test_what_a_launch_plan_sets_wins_over_what_its_node_inherits() -> None:
    inherited = child(
        max_parallelism=25,
        interruptible=YES,
        security_context=account("parent"),
        annotations=common_pb2.Annotations(values={"a": "parent"}),
        envs=common_pb2.Envs(values=[literals_pb2.KeyValuePair(key="K", value="parent")]),
        raw_output_data_config=common_pb2.RawOutputDataConfig(output_location_prefix="s3://parent"),
    )
    plan = Plan(
        max_parallelism=2,
        interruptible=NO,
        security_context=account("plan"),
        annotations=common_pb2.Annotations(values={"a": "plan"}),
        envs=common_pb2.Envs(values=[literals_pb2.KeyValuePair(key="K", value="plan")]),
        raw_output_data_config=common_pb2.RawOutputDataConfig(output_location_prefix="s3://plan"),
    )

    merged = execution_settings.merge(inherited, plan, [Config(max_parallelism=7)], 25)

    assert (merged.max_parallelism, merged.interruptible) == (2, NO)
    assert merged.security_context == plan.security_context
    assert (merged.annotations, merged.envs) == (plan.annotations, plan.envs)
    assert merged.raw_output_data_config == plan.raw_output_data_config
    assert execution_settings.annotations(inherited, plan, [])[0][1] == plan.annotations


def test_what_a_node_inherits_wins_over_attributes() -> None:
    merged = execution_settings.merge(child(max_parallelism=4), Plan(), [Config(max_parallelism=7)], 25)

    assert merged.max_parallelism == 4


def test_a_deprecated_role_of_a_launch_plan_wins_over_an_inherited_identity() -> None:
    merged = execution_settings.merge(child(security_context=account("parent")), Plan(role="own"), [], 25)

    assert merged.security_context.run_as.iam_role == "own"


def test_labels_that_name_the_parent_are_added_to_those_of_the_launch_plan() -> None:
    inherited = child(labels=common_pb2.Labels(values={"execution-id": "e1", "team": "parent"}))

    own = execution_settings.merge(inherited, Plan(labels=common_pb2.Labels(values={"team": "plan"})), [], 25)
    level = Config(labels=common_pb2.Labels(values={"team": "level"}))
    bare = execution_settings.merge(child(labels=common_pb2.Labels(values={"execution-id": "e1"})), Plan(), [level], 25)

    assert dict(own.labels.values) == {"execution-id": "e1", "team": "plan"}
    assert dict(bare.labels.values) == {"execution-id": "e1", "team": "level"}
    assert dict(inherited.labels.values) == {"execution-id": "e1", "team": "parent"}


def test_only_settings_of_the_request_and_the_launch_plan_are_explicit() -> None:
    request, plan = Request(interruptible=NO), Plan(labels=common_pb2.Labels(values={"a": "1"}))
    levels = [Config(max_parallelism=3, security_context=account("level"), overwrite_cache=True)]

    merged = execution_settings.merge(request, plan, levels, 25)

    assert execution_settings.explicit(request, plan, merged) == ["labels", "interruptible"]
    given = Request(max_parallelism=1, security_context=account("own"))
    merged = execution_settings.merge(given, None, levels, 25)
    assert execution_settings.explicit(given, None, merged) == ["max_parallelism", "security_context"]
