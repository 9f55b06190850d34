"""Find executions that wait for each other's places. Pure.

An execution keeps its place while a launch plan node of it waits for a child. If the child waits for a place that only
this execution, or one that waits likewise, could give up, none of them ever continues: a launch plan with one place
that launches itself, or two that launch each other.
"""

from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import TypeVar

S = TypeVar("S", bound=Hashable)


def stuck(waiting: Iterable[tuple[S, Collection[str]]], running: Mapping[S, Collection[str]]) -> set[S]:
    """Return the scopes in which no place can become free.

    ``waiting`` has, for each child that waits, its scope and the executions above it; ``running`` has the executions
    that hold the places of a scope.
    """
    waiting = list(waiting)
    found = {scope for scope, _ in waiting}
    while True:
        blocked = {name for scope, above in waiting if scope in found for name in above}
        moving = {scope for scope in found if not blocked.issuperset(running.get(scope, ()))}
        if not moving:
            return found
        found -= moving
