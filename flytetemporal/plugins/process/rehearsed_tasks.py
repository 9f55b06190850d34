"""The task that a fork server rehearses, see ``rehearsal``. Only its process imports this module."""

from flytekit.core.task import task


@task
def answer(count: int, factor: float, text: str, negative: bool) -> str:
    """Return an answer.

    Args:
        count: Its length.
        factor: Ignored.
        text: Its letters.
        negative: Ignored.
    """
    return text * count
