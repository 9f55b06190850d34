"""A task with a deck."""

from flytekit import Deck, task, workflow


@task(enable_deck=True)
def decked(n: int) -> int:
    Deck("mine", f"<b>number {n}</b>")
    return n


@workflow
def with_deck(n: int = 7) -> int:
    return decked(n=n)
