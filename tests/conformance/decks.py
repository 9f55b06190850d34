"""Decks: a page that a task writes, and the link to it."""

import httpx
from case import Case, Run
from flytekit import Deck, dynamic, task, workflow


@task(enable_deck=True)
def decked(number: int) -> int:
    Deck("mine", f"<b>number {number}</b>")
    return number


@task
def plain(number: int) -> int:
    return number


@workflow
def with_deck(number: int) -> int:
    return plain(number=decked(number=number))


def serves_the_deck(run: Run) -> None:
    nodes = run.nodes()
    assert nodes["n0"].closure.deck_uri
    assert not nodes["n1"].closure.deck_uri
    link = run.remote.client.get_download_artifact_signed_url("n0", run.id.project, run.id.domain, run.id.name)
    assert "<b>number 7</b>" in httpx.get(link.pre_signed_urls.signed_url[0]).text


@dynamic(enable_deck=True)
def decked_fan(number: int) -> int:
    Deck("mine", f"<b>fan of {number}</b>")
    return divided(number=number)


@task
def divided(number: int) -> int:
    return 14 // number


@workflow
def with_dynamic_deck(number: int) -> int:
    return decked_fan(number=number)


def serves_the_deck_of_the_dynamic_task(run: Run) -> None:
    link = run.remote.client.get_download_artifact_signed_url("n0", run.id.project, run.id.domain, run.id.name)
    assert "<b>fan of " in httpx.get(link.pre_signed_urls.signed_url[0]).text


CASES = [
    Case(with_deck, {"number": 7}, {"o0": 7}, check=serves_the_deck),
    Case(with_dynamic_deck, {"number": 7}, {"o0": 2}, check=serves_the_deck_of_the_dynamic_task),
    Case(
        with_dynamic_deck,
        {"number": 0},
        phase="FAILED",
        check=serves_the_deck_of_the_dynamic_task,
    ),
]
