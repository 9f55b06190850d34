"""A bound on the bytes that one workflow task sends: the server refuses a response of more than 4 MB.

The size of a single argument is bounded elsewhere. This bounds the sum when one workflow task schedules hundreds of
activities.
"""

import asyncio

from temporalio import workflow

from flytetemporal.workflows.versions import Patch

# Half of the server's limit: events of the pump, timers and results are not counted here.
BYTES = 2 * 1024 * 1024


class PayloadBudget:
    """Counts the bytes of the arguments that the current workflow task sends; each workflow task starts at zero."""

    def __init__(self, most: int = BYTES) -> None:
        self._most = most
        self._task = -1
        self._bytes = 0
        self._turn = asyncio.Lock()

    async def reserve(self, size: int) -> None:
        """Return at once if ``size`` more bytes fit, otherwise in the first later workflow task in which they do.

        A size over the whole budget is let through alone.
        """
        # The lock is first come, first served, and one timer serves all that wait.
        async with self._turn:
            while not self._fits(size) and workflow.patched(Patch.PAYLOAD_BUDGET):
                # A timer ends the workflow task. To wait for the next event instead could deadlock: there may be none.
                await workflow.sleep(0.001, summary="room for more arguments")

    def _fits(self, size: int) -> bool:
        # The length of the history grows only between workflow tasks, so it identifies the current one on replay too.
        task = workflow.info().get_current_history_length()
        if task != self._task:
            self._task, self._bytes = task, 0
        if self._bytes and self._bytes + size > self._most:
            return False
        self._bytes += size
        return True
