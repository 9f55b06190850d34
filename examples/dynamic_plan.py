"""A dynamic workflow: its graph, one task per word of a text, is made at run time."""

from flytekit import dynamic, task, workflow


@task
def measure(word: str) -> int:
    return len(word)


@task
def longest(words: list[str], lengths: list[int]) -> str:
    return max(zip(lengths, words, strict=True))[1]


@dynamic
def measure_all(text: str) -> str:
    words = text.split()
    return longest(words=words, lengths=[measure(word=word) for word in words])


@workflow
def dynamic_workflow(text: str = "a graph that is made while it runs") -> str:
    return measure_all(text=text)
