"""Two hundred workflows, each a subworkflow of the next."""

from flytekit import Workflow, task


@task
def one() -> int:
    return 1


def nested(levels: int) -> Workflow:
    entity = one
    for level in range(levels + 1):
        outer = Workflow(name=f"deep.level{level}")
        outer.add_workflow_output("o0", outer.add_entity(entity).outputs["o0"], python_type=int)
        entity = outer
    return entity


deep = nested(200)
