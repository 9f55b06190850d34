"""Find the objects that were written under the prefixes of triggers.

Stores can be listed by name only, and names need not grow with time. So each prefix is listed again and again, page by
page, and each page is compared with the rows of the objects that were seen before. The place in the list, those
rows and the events are stored in one transaction: what is written while nobody lists is found later, and nothing is an
event twice. The order in which a store lists is of no importance: some do not go by the bytes of names.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Text, any_, delete, func, literal, select, tuple_, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.control import concurrency
from flytetemporal.admin.events import trigger_events
from flytetemporal.admin.outbox.trigger_models import TriggerObjectRow, TriggerRow
from flytetemporal.admin.triggers import declarations
from flytetemporal.admin.triggers.declarations import PREFIX, Trigger
from flytetemporal.admin.upkeep.loops import Found
from flytetemporal.errors import FlyteError
from flytetemporal.idl import error_text
from flytetemporal.storage.listing import Page, StoredObject

# Objects of a page, and pages of a prefix in a round.
PAGE, PAGES = 1000, 20
# Triggers that a round looks at, the one first that was looked at longest ago.
TRIGGERS = 500


# Rows of triggers that ended which a round deletes.
FORGOTTEN = 5000
# One list in so many finds the rows of objects that are gone. Until then they only take space.
PASSES_BETWEEN_CLEANUPS = 500
# LastModified has whole seconds in S3.
RESOLUTION = timedelta(seconds=1)

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def listings(deps: Dependencies) -> Found:
    """List the prefixes of all triggers, each up to a bound; record the events that were found."""
    row = TriggerRow
    query = select(row.id).where(row.is_active, row.kind == PREFIX).order_by(row.listed_at.nulls_first(), row.id)
    async with deps.sessions() as session:
        numbers = (await session.scalars(query.limit(TRIGGERS))).all()
    found: list[int] = []
    unfinished: list[int] = []

    async def of_one(number: int) -> None:
        try:
            objects, finished = await _list(deps, number)
        except FlyteError as e:
            await _record_error(deps, number, e.message)
            raise
        found.append(objects)
        if not finished:
            unfinished.append(number)

    failed = await concurrency.for_each(numbers, of_one)
    await _forget(deps)
    counts = {"trigger_objects": sum(found)} if any(found) else {}
    return Found(counts, more=bool(unfinished), error="; ".join(str(error) for error in failed[:3]))


async def _list(deps: Dependencies, number: int) -> tuple[int, bool]:
    """List some pages of a prefix; return how many events were found, and whether the last page was reached."""
    events = 0
    for _ in range(PAGES):
        async with deps.sessions() as session:
            trigger = await session.scalar(select(TriggerRow).where(TriggerRow.id == number))
        if trigger is None or not trigger.is_active:
            return events, True
        declared = declarations.from_stored(trigger.declaration)
        page = await deps.blobs.page(declared.folder, trigger.listed_until, PAGE)
        found = await _store(deps, trigger, declared, page)
        if found is None:  # Another control worker lists the prefix, or the trigger was changed.
            return events, True
        events += found
        if not page.next_after:
            return events, True
    return events, False


async def _store(deps: Dependencies, listed: TriggerRow, declared: Trigger, page: Page) -> int | None:
    """Record what is new on a page, and the place of the next one; None if the trigger is no longer as it was read."""
    objects = {found.name: found for found in page.objects if found.name.endswith(declared.suffix)}
    async with deps.sessions.begin() as session:
        trigger = await session.scalar(select(TriggerRow).where(TriggerRow.id == listed.id).with_for_update())
        if trigger is None or _place(trigger) != _place(listed):
            return None
        known = await _known(session, trigger.id, objects)
        changed = [found for name, found in objects.items() if known.get(name) != found.version]
        fired = [found for found in changed if _is_event(trigger, declared, found)]
        await trigger_events.record(session, (_event(trigger, declared, found) for found in fired))
        await _remember(session, trigger, changed)
        await _clean_up(session, trigger, objects, is_last=not page.next_after)
        trigger.listed_until, trigger.listed_at = page.next_after, func.now()
        if not page.next_after:
            trigger.passes, trigger.is_first_pass = trigger.passes + 1, False
    return len(fired)


def _place(trigger: TriggerRow) -> tuple[Any, ...]:
    return trigger.is_active, trigger.listed_until, trigger.passes, trigger.active_since, trigger.declaration


def _is_event(trigger: TriggerRow, declared: Trigger, found: StoredObject) -> bool:
    """Whether an object that is new or has changed is an event.

    What the first pass finds was there before the activation, unless it was written since by the clock of the store.
    """
    return not trigger.is_first_pass or declared.existing or found.modified_at >= trigger.active_since - RESOLUTION


def _event(trigger: TriggerRow, declared: Trigger, found: StoredObject) -> Mapping[str, Any]:
    key = (trigger.project, trigger.domain, trigger.launch_plan, trigger.name)
    event_id = f"{declared.folder}/{found.name}@{found.version}"
    return trigger_events.values(trigger.id, key, event_id, found.modified_at)


async def _known(session: AsyncSession, number: int, names: Iterable[str]) -> dict[str, str]:
    """Return the versions in which objects were seen, of those that were."""
    row = TriggerObjectRow
    query = select(row.name, row.version).where(row.trigger_id == number, _is_one_of(names))
    return {found.name: found.version for found in await session.execute(query)}


def _is_one_of(names: Iterable[str]) -> ColumnElement[bool]:
    return TriggerObjectRow.name == any_(literal(sorted(names), postgresql.ARRAY(Text)))


async def _remember(session: AsyncSession, trigger: TriggerRow, changed: Iterable[StoredObject]) -> None:
    rows = [
        {"trigger_id": trigger.id, "name": found.name, "version": found.version, "seen_in": trigger.passes}
        for found in changed
    ]
    if rows:
        insert = postgresql.insert(TriggerObjectRow)
        changes = {"version": insert.excluded.version, "seen_in": insert.excluded.seen_in}
        await session.execute(insert.on_conflict_do_update(index_elements=["trigger_id", "name"], set_=changes), rows)


async def _clean_up(session: AsyncSession, trigger: TriggerRow, names: Iterable[str], *, is_last: bool) -> None:
    """In some lists, mark the rows of the objects on each page; after the last page, delete those without a mark."""
    if (trigger.passes + 1) % PASSES_BETWEEN_CLEANUPS:
        return
    row = TriggerObjectRow
    of_trigger = row.trigger_id == trigger.id
    await session.execute(update(row).where(of_trigger, _is_one_of(names)).values(seen_in=trigger.passes))
    if is_last:
        await session.execute(delete(row).where(of_trigger, row.seen_in < trigger.passes))


async def _record_error(deps: Dependencies, number: int, problem: str) -> None:
    values = {
        "last_error": error_text.shortened(f"the prefix cannot be listed: {problem}"),
        "last_error_at": func.now(),
        "listed_at": func.now(),
    }
    async with deps.sessions.begin() as session:
        await session.execute(update(TriggerRow).where(TriggerRow.id == number).values(values))


async def _forget(deps: Dependencies) -> None:
    """Delete the objects of triggers that are not active; an activation starts anew."""
    row = TriggerObjectRow
    ended = select(TriggerRow.id).where(~TriggerRow.is_active)
    some = select(row.trigger_id, row.name).where(row.trigger_id.in_(ended)).limit(FORGOTTEN)
    async with deps.sessions.begin() as session:
        await session.execute(delete(row).where(tuple_(row.trigger_id, row.name).in_(some)))
