"""What becomes of the rows of every table when an execution, a version of an entity, or a project is removed.

A new table needs a line here; a test names those without one. Tables of the catalog are here by name only, as admin
does not import the catalog.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto


class Fate(Enum):
    """What a removal does with the rows of a table that are about what it removes."""

    NONE = auto()
    """There are no such rows."""
    AT_ONCE = auto()
    """They are removed in the transaction that begins the removal."""
    LATER = auto()
    """They are removed in batches, by the loop that finishes the removal."""
    REFUSED = auto()
    """While they are in use, the removal is refused; otherwise they are kept."""
    KEPT = auto()


@dataclass(frozen=True, slots=True)
class Fates:
    """The fates of the rows of a table, and why the rows that are kept are kept."""

    execution: Fate = Fate.NONE
    version: Fate = Fate.NONE
    because: str = ""
    project: Fate = Fate.LATER


_AT_ONCE = Fates(Fate.AT_ONCE)
_KEPT = Fate.KEPT
_SETTINGS = "they are settings of names, not of versions"
_RECORD = "they are records for operators, of what is gone, too"

TABLES: Mapping[str, Fates] = {
    "projects": Fates(),
    "upkeep_loops": Fates(project=Fate.NONE),
    "retention_policies": Fates(),
    "sign_in_grants": Fates(project=Fate.NONE),
    "sign_in_secrets": Fates(project=Fate.NONE),
    "signing_keys": Fates(project=Fate.NONE),
    "access_revisions": Fates(project=Fate.NONE),
    "access_bindings": Fates(),
    "access_keys": Fates(),
    "audit_log": Fates(Fate.KEPT, Fate.KEPT, _RECORD, project=_KEPT),
    # Entities.
    "tasks": Fates(version=Fate.AT_ONCE),
    "workflows": Fates(version=Fate.AT_ONCE),
    "launch_plans": Fates(version=Fate.REFUSED, because="a workflow with a launch plan is in use"),
    "description_entities": Fates(version=Fate.AT_ONCE),
    "named_entity_metadata": Fates(version=Fate.KEPT, because=_SETTINGS),
    "matchable_attributes": Fates(version=Fate.KEPT, because=_SETTINGS),
    # Executions.
    "executions": Fates(Fate.AT_ONCE, Fate.REFUSED, "those that have ended show the version that they have run"),
    "execution_tags": _AT_ONCE,
    "execution_forks": _AT_ONCE,
    "signals": _AT_ONCE,
    "waiting_executions": _AT_ONCE,
    "node_executions": Fates(Fate.LATER),
    "task_executions": Fates(Fate.LATER, Fate.REFUSED, "those that have ended show the version that they have run"),
    "value_references": Fates(
        Fate.AT_ONCE, because="those of executions whose values are kept say which other values these refer to"
    ),
    "pauses": Fates(Fate.KEPT, Fate.KEPT, "revisions only grow; those of what is removed end with it", project=_KEPT),
    "operator_actions": Fates(Fate.KEPT, Fate.KEPT, _RECORD, project=_KEPT),
    "removals": Fates(Fate.KEPT, Fate.KEPT, _RECORD, project=_KEPT),
    # What executions have produced or caused.
    "notifications": Fates(Fate.AT_ONCE, because="those that wait for their delivery refuse the removal before"),
    "cloud_events": Fates(Fate.KEPT, because="they wait for their sink, which has them in full", project=_KEPT),
    "artifacts": Fates(Fate.KEPT, Fate.KEPT, "others query them; the files of their values are kept, too"),
    # What launches executions.
    "backfills": Fates(version=Fate.REFUSED, because="those that are over are records"),
    "backfill_runs": Fates(Fate.REFUSED, because="those that are counted have the result of their execution"),
    "triggers": Fates(version=Fate.KEPT, because="they belong to names, and go with the last version"),
    "trigger_objects": Fates(version=Fate.KEPT, because="the next version must not launch again for what was seen"),
    "trigger_events": Fates(Fate.REFUSED, Fate.KEPT, "without an active version they are skipped; old ones expire"),
    # The catalog.
    "catalog_artifacts": Fates(Fate.LATER),
    "catalog_tags": Fates(Fate.LATER),
    "catalog_partitions": Fates(Fate.LATER),
    "catalog_datasets": Fates(Fate.KEPT, Fate.KEPT, "other executions and versions share them"),
    "catalog_reservations": Fates(Fate.KEPT, because="they expire"),
    "catalog_policies": Fates(version=Fate.KEPT, because=_SETTINGS),
    "catalog_cached_outputs": Fates(
        Fate.KEPT, Fate.KEPT, "clients of CacheService remove them by their keys", project=_KEPT
    ),
}
"""The fates by table. A version is removed only if no workflow of an active launch plan, or of a running backfill,
contains it; that is read from the compiled workflows and has no table."""


def removed_with_project() -> list[str]:
    """Return the tables whose rows are removed with their project, as opposed to their execution or by the catalog."""
    own = (name for name, fates in TABLES.items() if fates.project is Fate.LATER and not name.startswith("catalog_"))
    with_execution = {Fate.AT_ONCE, Fate.LATER}
    return sorted(name for name in own if TABLES[name].execution not in with_execution and name != "projects")


def removed_with_execution(fate: Fate) -> list[str]:
    """Return the tables whose rows share a fate when their execution is removed, that of executions last."""
    return sorted((name for name, fates in TABLES.items() if fates.execution is fate), key="executions".__eq__)
