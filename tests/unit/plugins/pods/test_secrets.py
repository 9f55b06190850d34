"""Secrets in pods, where flytekit looks for them."""

import pytest
from flyteidl.core import security_pb2

from flytetemporal.plugins.pods import secrets
from flytetemporal.plugins.protocol import Rejected
from tests.unit.plugins.pods.attempts import built, pod_task

Secret = security_pb2.Secret
SOURCE = {"secretKeyRef": {"name": "Db", "key": "Pass", "optional": True}}


def built_with(*wanted: security_pb2.Secret) -> dict[str, object]:
    template = pod_task({"containers": [{"name": "main"}, {"name": "side"}], "initContainers": [{"name": "first"}]})
    template.security_context.secrets.extend(wanted)
    spec = built(template)["spec"]
    everyone = [*spec["containers"], *spec["initContainers"]]
    variables = [
        {
            entry["name"]: entry.get("valueFrom", entry.get("value"))
            for entry in one["env"]
            if "FLYTE_IN" not in entry["name"]
        }
        for one in everyone
    ]
    assert variables == [variables[0]] * 3
    assert len({str(one.get("volumeMounts")) for one in everyone}) == 1
    ours = {name: value for name, value in variables[0].items() if name != "FLYTE_ATTEMPT_NUMBER"}
    return {"env": ours, "mounts": everyone[0].get("volumeMounts"), "volumes": spec.get("volumes")}


def test_a_secret_as_a_variable() -> None:
    found = built_with(Secret(group="Db", key="Pass", mount_requirement=Secret.ENV_VAR, env_var="MINE"))

    expected = {
        "FLYTE_SECRETS_ENV_PREFIX": "_FSEC_",
        "_FSEC_DB_PASS": SOURCE,
        "MINE": {"secretKeyRef": SOURCE["secretKeyRef"]},
    }
    assert found == {"env": expected, "mounts": None, "volumes": None}


@pytest.mark.parametrize("requirement", [Secret.FILE, Secret.ANY])
def test_secrets_as_files_share_the_volume_of_their_group(requirement: security_pb2.Secret.MountType) -> None:
    found = built_with(
        Secret(group="Db", key="Pass", mount_requirement=requirement, env_var="MINE"),
        Secret(group="Db", key="User", mount_requirement=requirement),
        Secret(group="Db", key="User", mount_requirement=requirement),
    )

    items = [{"key": "Pass", "path": "pass"}, {"key": "User", "path": "user"}]
    assert found == {
        "env": {
            "FLYTE_SECRETS_DEFAULT_DIR": "/etc/flyte/secrets",
            "FLYTE_SECRETS_FILE_PREFIX": "",
            "MINE": "/etc/flyte/secrets/db/pass",
        },
        "mounts": [{"name": "irra", "mountPath": "/etc/flyte/secrets/db", "readOnly": True}],
        "volumes": [{"name": "irra", "secret": {"secretName": "Db", "items": items, "optional": True}}],
    }


@pytest.mark.parametrize("secret", [Secret(key="k"), Secret(group="g")])
def test_a_secret_without_a_group_or_a_key_is_refused(secret: security_pb2.Secret) -> None:
    with pytest.raises(Rejected, match="needs a group, the name of the Secret, and a key"):
        secrets.laid_out([secret])


def test_the_volume_of_a_long_group_has_a_name_that_kubernetes_accepts() -> None:
    (volume,) = secrets.laid_out([Secret(group="g" * 200, key="k")]).volumes

    assert len(volume) <= 63


def test_a_missing_secret_is_named() -> None:
    problem = secrets.missing("p-d", "db", {"user", "pass"})

    assert (problem.code, problem.message) == (
        "SecretNotFound",
        "the task requests secret db/pass, db/user, which does not exist: create Secret [db] with that key in "
        "namespace [p-d]",
    )
