"""The texts of errors: how long they may be, and what is said of them in one line."""

LIMIT = 102_400
"""Characters. Flyte's limit; what failed stands at the ends, so longer texts lose their middle."""

HEADLINE = 200
"""Characters of one line."""


def shortened(text: str) -> str:
    """Return the text, cut in its middle when it is too long."""
    if len(text) <= LIMIT:
        return text
    half = LIMIT // 2 - 20
    return f"{text[:half]}\n... (cut) ...\n{text[-half:]}"


def headline(text: str) -> str:
    """Return the line that says most: the last one of a traceback, otherwise the first one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return ""
    return (lines[-1] if lines[0].startswith("Trace") else lines[0])[:HEADLINE]
