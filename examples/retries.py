"""A task that fails twice with a recoverable error, keeps its progress in a checkpoint, and then succeeds."""

from flytekit import current_context, task, workflow
from flytekit.exceptions.user import FlyteRecoverableException


@task(retries=3)
def flaky(succeed_at: int) -> int:
    checkpoint = current_context().checkpoint
    saved = checkpoint.read() if checkpoint else None
    attempt = int(saved.decode()) + 1 if saved else 1
    if checkpoint:
        checkpoint.write(str(attempt).encode())
    if attempt < succeed_at:
        raise FlyteRecoverableException(f"attempt {attempt} of {succeed_at} did not work")
    return attempt


@workflow
def retry_workflow(succeed_at: int = 3) -> int:
    return flaky(succeed_at=succeed_at)
