"""Secrets from variables and files of the worker, as variables or files of the task; a missing secret.

The worker needs ``_FSEC_CONFORMANCE_VARIABLE=from a variable`` in its environment and a file ``conformance/file`` with
the text ``from a file`` in its secrets folder.
"""

import os
from pathlib import Path
from typing import List

from case import Case, Run
from flytekit import Secret, current_context, dynamic, map_task, task, workflow

VARIABLE = Secret(group="conformance", key="variable")
FILE = Secret(group="conformance", key="file")
AS_FILE = Secret(group="conformance", key="variable", mount_requirement=Secret.MountType.FILE)
NAMED = Secret(group="conformance", key="file", mount_requirement=Secret.MountType.ENV_VAR, env_var="MY_SECRET")


def secret(key: str) -> str:
    return current_context().secrets.get("conformance", key)


@task(secret_requests=[VARIABLE, FILE])
def both() -> str:
    return f"{secret('variable')}, {secret('file')}"


@task(secret_requests=[AS_FILE])
def as_a_file() -> str:
    return Path(current_context().secrets.get_secrets_file("conformance", "variable")).read_text()


@task(secret_requests=[NAMED])
def as_a_named_variable() -> str:
    return os.environ["MY_SECRET"]


@task
def without_asking() -> List[str]:
    return [name for name in os.environ if name.startswith("_FSEC_CONFORMANCE")]


@task(secret_requests=[FILE])
def length_with_secret(a: int) -> int:
    return a + len(secret("file"))


@dynamic(secret_requests=[VARIABLE])
def dynamic_with_secret() -> int:
    return length_with_secret(a=len(secret("variable")))


@task(secret_requests=[Secret(group="conformance", key="nowhere")], retries=2)
def asks_for_a_missing_one() -> str:
    return "never runs"


@workflow
def delivered() -> (str, str, str, List[str]):
    return both(), as_a_file(), as_a_named_variable(), without_asking()


@workflow
def everywhere() -> (int, List[int]):
    return dynamic_with_secret(), map_task(length_with_secret)(a=[1, 2])


@workflow
def missing() -> str:
    return asks_for_a_missing_one()


def never_began(run: Run) -> None:
    (attempt,) = run.attempts("n0")
    assert not attempt.closure.HasField("started_at")


CASES = [
    Case(
        delivered,
        outputs={"o0": "from a variable, from a file", "o1": "from a variable", "o2": "from a file", "o3": []},
    ),
    Case(everywhere, outputs={"o0": 26, "o1": [12, 13]}),
    Case(
        missing,
        phase="FAILED",
        code="SecretNotFound",
        error="_FSEC_CONFORMANCE_NOWHERE",
        check=never_began,
    ),
]
