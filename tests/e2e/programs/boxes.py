"""Raw containers between Python tasks: a shell counts the words of a file."""

import os

from flytekit import ContainerTask, kwtypes, task, workflow
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile

IMAGE = os.environ.get("BOXES_IMAGE", "some/image:1")


def box(name: str, script: str, **kwargs) -> ContainerTask:
    return ContainerTask(
        name=f"boxes.{name}",
        image=IMAGE,
        input_data_dir="/var/inputs",
        output_data_dir="/var/outputs",
        command=["/bin/sh", "-c", script],
        **kwargs,
    )


count = box(
    "count",
    "echo counting for {{.inputs.who}}; wc -w < /var/inputs/text | tr -d ' ' > /var/outputs/words; "
    "mkdir /var/outputs/parts; cp /var/inputs/text /var/outputs/parts/copy.txt",
    inputs=kwtypes(text=FlyteFile, who=str),
    outputs=kwtypes(words=int, parts=FlyteDirectory),
)
fails = box("fails", "echo no good > /var/outputs/_ERROR", inputs=kwtypes(n=int), outputs=kwtypes(o=int))


@task
def write(words: str) -> FlyteFile:
    with open("words.txt", "w") as file:
        file.write(words)
    return FlyteFile("words.txt")


@task
def read(parts: FlyteDirectory) -> str:
    with open(os.path.join(parts, "copy.txt")) as file:
        return file.read()


@workflow
def counting(words: str, who: str = "Ada") -> (int, str):
    counted, parts = count(text=write(words=words), who=who)
    return counted, read(parts=parts)


@workflow
def failing(n: int = 1) -> int:
    return fails(n=n)
