from flytekit import map_task, task, workflow


@task
def doubled(number: int) -> int:
    return 2 * number


@workflow
def mapping() -> list[int]:
    return map_task(doubled)(number=[1, 2, 3])
