"""How long the text of an error may be."""

LIMIT = 102_400
"""Characters. Flyte's limit; what failed stands at the ends, so longer texts lose their middle."""


def shortened(text: str) -> str:
    """Return the text, cut in its middle when it is too long."""
    if len(text) <= LIMIT:
        return text
    half = LIMIT // 2 - 20
    return f"{text[:half]}\n... (cut) ...\n{text[-half:]}"
