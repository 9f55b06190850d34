"""A raw container between Python tasks: it reads its inputs from files and writes its outputs to files."""

from case import Case, Run
from flytekit import ContainerTask, kwtypes, task, workflow

IMAGE = "localhost/flytetemporal-test:busybox"


def shell(name: str, script: str, **kwargs) -> ContainerTask:
    return ContainerTask(
        name=f"containers.{name}",
        image=IMAGE,
        input_data_dir="/var/inputs",
        output_data_dir="/var/outputs",
        command=["/bin/sh", "-c", script],
        **kwargs,
    )


shout = shell(
    "shout",
    "tr a-z A-Z < /var/inputs/text > /var/outputs/shouted; echo {{.inputs.times}} > /var/outputs/times",
    inputs=kwtypes(text=str, times=int),
    outputs=kwtypes(shouted=str, times=int),
)
silent = shell("silent", "true", inputs=kwtypes(text=str), outputs=kwtypes(shouted=str))


@task
def repeat(text: str, times: int) -> str:
    return " ".join([text] * times)


@task
def length(text: str) -> int:
    return len(text)


@workflow
def shouting(text: str, times: int) -> str:
    shouted, read = shout(text=text, times=times)
    return repeat(text=shouted, times=read)


@workflow
def shouting_long(text: str, times: int) -> int:
    shouted, _ = shout(text=repeat(text=text, times=times), times=times)
    return length(text=shouted)


@workflow
def saying_nothing(text: str) -> str:
    return silent(text=text)


def ran_in_a_container(run: Run) -> None:
    (attempt,) = run.attempts("n0")
    assert attempt.closure.task_type == "raw-container"


CASES = [
    Case(shouting, {"text": "hey", "times": 2}, {"o0": "HEY HEY"}, check=ran_in_a_container),
    Case(shouting_long, {"text": "hey", "times": 50_000}, {"o0": 199_999}),
    Case(saying_nothing, {"text": "hey"}, phase="FAILED", error="shouted"),
]
