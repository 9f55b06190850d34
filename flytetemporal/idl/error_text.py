"""Texts of errors: their maximum length, their headline, and one text for all failed elements of an array."""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable

LIMIT = 102_400
"""Characters of a text. Flyte's limit; the cause is at either end, so a longer text is cut in its middle."""

HEADLINE = 200
"""Characters of a headline."""

ELEMENTS_LIMIT = 10_000
MANY_MORE = "... and many more."

# What Flyte puts before the last error of a node whose retries are used up. The message often starts a line below.
_COUNT = re.compile(r"\[\d+/\d+\] currentAttempt done\. Last Error: [A-Z]+::\s*", re.ASCII)


def shortened(text: str) -> str:
    """Return the text, cut in its middle if it is longer than ``LIMIT``."""
    if len(text) <= LIMIT:
        return text
    half = LIMIT // 2 - 20
    return f"{text[:half]}\n... (cut) ...\n{text[-half:]}"


def headline(text: str) -> str:
    """Return the most informative line: the last one of a traceback, otherwise the first one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return ""
    return (lines[-1] if lines[0].startswith("Trace") else lines[0])[:HEADLINE]


def cause(code: str, text: str) -> str:
    """Return the headline of an error for people: without the count of its attempts, and with its code.

    Flyte's lists cut texts to 100 bytes, which can be before the words that say what happened; the code is whole.
    """
    line = headline(_COUNT.sub("", text, count=1))
    name = code.rpartition("|")[2].rpartition(":")[2]
    if not name or name in line:
        return line
    return f"{name}: {line}" if line else name


def of_elements(errors: Iterable[tuple[int, str]]) -> str:
    """Return each distinct message once, sorted, with the indexes of its elements: ``[0][2-4]: message``.

    Messages beyond ``ELEMENTS_LIMIT`` characters are left out. Mirrors flytepropeller's
    pkg/controller/nodes/array/utils.go and flyteplugins' errorcollector package.
    """
    indexes: dict[str, list[int]] = defaultdict(list)
    for index, message in errors:
        indexes[message].append(index)
    text = ""
    for message in sorted(indexes):
        line = f"{_ranges(indexes[message])}: {message}\n"
        # The first message is always shown, whatever its length.
        if text and len(text) + len(line) > ELEMENTS_LIMIT:
            return text + MANY_MORE
        text += line
    return text


def _ranges(indexes: Iterable[int]) -> str:
    # Consecutive indexes differ from their positions by the same number, which makes each run one group.
    groups = itertools.groupby(enumerate(sorted(indexes)), lambda pair: pair[1] - pair[0])
    runs = [[index for _, index in group] for _, group in groups]
    return "".join(f"[{run[0]}]" if len(run) == 1 else f"[{run[0]}-{run[-1]}]" for run in runs)
