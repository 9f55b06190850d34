"""Temporal's slots for task attempts, issued by ``activities/slots`` (docs/decisions/0014)."""

from temporalio.worker import (
    CustomSlotSupplier,
    FixedSizeSlotSupplier,
    SlotMarkUsedContext,
    SlotPermit,
    SlotReleaseContext,
    SlotReserveContext,
    WorkerTuner,
)

from flytetemporal.activities.slots import AttemptSlots

# The workers of task attempts run nothing else, but a tuner needs a number for every kind of task.
_UNUSED = FixedSizeSlotSupplier(1)


class AttemptSlotSupplier(CustomSlotSupplier):
    """Issues activity slots. Permits are only counted, so any permit stands for any other."""

    def __init__(self, slots: AttemptSlots) -> None:
        self._slots = slots

    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:
        """Wait for a permit before the worker polls."""
        await self._slots.reserve()
        return SlotPermit()

    def try_reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit | None:
        """Return a permit if there is one now."""
        return SlotPermit() if self._slots.try_reserve() else None

    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:
        """Do nothing: a reserved permit counts as much as a used one."""

    def release_slot(self, ctx: SlotReleaseContext) -> None:
        """Take a permit back; also called for a poll that brought no attempt."""
        self._slots.release()


def tuner(slots: AttemptSlots) -> WorkerTuner:
    """Return the tuner of a worker that runs task attempts by ``slots``, and nothing else."""
    return _tuner(AttemptSlotSupplier(slots))


def fixed(number: int) -> WorkerTuner:
    """Return the tuner of a worker that runs ``number`` task attempts at once, and nothing else."""
    return _tuner(FixedSizeSlotSupplier(number))


def _tuner(activities: CustomSlotSupplier | FixedSizeSlotSupplier) -> WorkerTuner:
    return WorkerTuner.create_composite(
        workflow_supplier=_UNUSED,
        activity_supplier=activities,
        local_activity_supplier=_UNUSED,
        nexus_supplier=_UNUSED,
    )
