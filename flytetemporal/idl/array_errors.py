"""The error of an array node: what its elements failed with. Pure.

Mirrors flytepropeller's pkg/controller/nodes/array/utils.go and flyteplugins' errorcollector package.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable

LIMIT = 10_000
MANY_MORE = "... and many more."


def summary(errors: Iterable[tuple[int, str]]) -> str:
    """Return each distinct message once, sorted, with the indexes of its elements: ``[0][2-4]: message``."""
    indexes: dict[str, list[int]] = defaultdict(list)
    for index, message in errors:
        indexes[message].append(index)
    text = ""
    for message in sorted(indexes):
        line = f"{_ranges(indexes[message])}: {message}\n"
        if text and len(text) + len(line) > LIMIT:
            return text + MANY_MORE
        text += line
    return text


def _ranges(indexes: Iterable[int]) -> str:
    groups = itertools.groupby(enumerate(sorted(indexes)), lambda pair: pair[1] - pair[0])
    runs = [[index for _, index in group] for _, group in groups]
    return "".join(f"[{run[0]}]" if len(run) == 1 else f"[{run[0]}-{run[-1]}]" for run in runs)
