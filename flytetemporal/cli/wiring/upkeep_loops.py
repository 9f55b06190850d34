"""Every loop of the control worker: the list to which a new one is added."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from flytetemporal.admin.access import audit
from flytetemporal.admin.backfills import starting as backfills
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.cloud_events import delivering as events
from flytetemporal.admin.control import sweeper
from flytetemporal.admin.control.sweeper import Sweeper
from flytetemporal.admin.deletions import rounds as project_deletions
from flytetemporal.admin.firing import delivery, prefixes
from flytetemporal.admin.notifications import delivering
from flytetemporal.admin.retention import rounds
from flytetemporal.admin.retention.finishing import CachedOutputs
from flytetemporal.admin.sign_in import expiry as sign_in_expiry
from flytetemporal.admin.upkeep.loops import Found, Loop
from flytetemporal.catalog import evictions, projects
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.cli.wiring import cache_expiry, control_plane
from flytetemporal.config.settings import Settings

SECONDS, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def loops(deps: Dependencies, settings: Settings) -> Sequence[Loop]:
    """Return the loops. Their names are in Postgres, in metrics and in ids of Temporal workflows, so they stay."""
    sweeps = Sweeper(deps)
    catalog = control_plane.catalog_of(deps, settings.catalog)
    return [
        Loop(sweeper.NAME, 10 * SECONDS, sweeps.sweep),
        # Temporal's visibility store makes lists of workflows and schedules expensive.
        Loop("workflows", MINUTE, sweeps.end_finished),
        Loop("schedules", MINUTE, sweeps.repair_schedules),
        Loop("events", 2 * SECONDS, partial(events.round_of_events, deps)),
        Loop("notifications", 5 * SECONDS, partial(delivering.round_of_delivery, deps)),
        Loop("retention", MINUTE, partial(rounds.round_, deps, cached_outputs(catalog))),
        Loop(
            "project-deletions",
            10 * SECONDS,
            partial(project_deletions.round_, deps, project_deletions.ProjectCache(partial(projects.remove, catalog))),
        ),
        Loop("backfills", MINUTE, partial(backfills.start_missing, deps)),
        Loop("triggers", 5 * SECONDS, partial(delivery.deliveries, deps)),
        Loop("trigger-prefixes", 10 * SECONDS, partial(prefixes.listings, deps)),
        Loop("audit", HOUR, partial(_remove_old_audit, deps)),
        # What has expired is not used, so it only takes space.
        Loop("sign-in-expiry", 10 * MINUTE, partial(sign_in_expiry.remove_expired, deps)),
        Loop("cache-expiry", MINUTE, partial(cache_expiry.remove_expired, catalog)),
    ]


async def _remove_old_audit(deps: Dependencies) -> Found:
    removed = await audit.remove_old(deps.sessions, deps.auth.audit_max_age)
    return Found({"audit_removed": removed} if removed else {}, more=removed == audit.REMOVED_AT_ONCE)


def cached_outputs(catalog: Catalog) -> CachedOutputs:
    """Return what retention does with the catalog."""
    return CachedOutputs(
        has_any=partial(evictions.has_any_of_execution, catalog),
        remove_some=partial(evictions.remove_of_execution, catalog),
    )
