import uuid

from flytekit import task, workflow


@task(cache=True, cache_version="1")
def drawn(seed: int) -> str:
    return uuid.uuid4().hex


@workflow
def drawing(seed: int) -> str:
    return drawn(seed=seed)
