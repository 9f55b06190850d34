"""All patch markers of replayed code: the only module that names them.

A change to the commands that a run issues is guarded by ``workflow.patched(Patch.X)``. A run records the marker when it
first takes the new path. A run whose history has passed that point without the marker keeps the old path until it ends.
Ask only on the path where the answer matters: each marker costs two events, and asking is itself part of what a replay
repeats, so neither its place nor its condition may change later.

===============================  ========  =========  ==============================================================
Patch                            Since     Removable  What runs without the marker do
===============================  ========  =========  ==============================================================
``CHOOSE_CASE``                  0.1.0     0.2.0      A branch fetches the values that it compares.
``INLINE_TASKS_BY_REFERENCE``    0.1.0     0.2.0      An inline task fails if its inputs are not inline.
``PAYLOAD_BUDGET``               0.1.0     0.2.0      A workflow task sends any number of bytes.
``WORKFLOW_TASK_STEPS``          0.1.0     0.2.0      A workflow task starts, wakes and stops any number of nodes.
``ELEMENTS_TAKE_STEPS``          0.1.0     0.2.0      A sleeping element of an array takes a turn instead of a step.
``SHARED_TIMERS``                0.1.0     0.2.0      Every sleeping node has a timer.
``SUSPENDED_NODES``              0.1.0     0.2.0      Every sleeping node keeps its coroutine.
``STOPPED_SLEEPERS_REPORT``      0.1.0     0.2.0      A node that is stopped as it wakes reports no end of its task.
``DRAIN_DEADLINE``               0.1.0     0.2.0      A drain has a timeout per round, and nodes start as a run ends.
``BOUNDED_DEPTH``                0.1.0     0.2.0      Bindings nest values as deep as protobuf can encode.
``DEADLINE_FOR_RETRIES``         0.1.0     0.2.0      Retries add nothing to the time for which a node may be open.
``OLDER_CHECKPOINTS``            0.1.0     0.2.0      A retry looks for the checkpoint of the previous attempt only.
``DECKS_OF_ALL_ENDS``            0.1.0     0.2.0      Only a task that succeeds shows its deck.
``CACHED_DYNAMICS``              0.1.0     0.2.0      The outputs of a dynamic node are not cached.
``LAST_REPORT_IS_LOCAL``         0.1.0     0.2.0      A run that ends sends its last events by an ordinary activity.
``PAUSES``                       0.1.0     0.2.0      Pauses that arrive have no effect.
``SWEEPER_IS_A_LOOP``            0.1.0     0.2.0      The sweeper has a workflow type of its own, and runs for ever.
``CACHE_LOOKUPS``                0.1.0     0.2.0      Only the activity of an attempt looks for cached outputs.
``EDITS_OF_RUNNING_ARRAYS``      0.1.0     0.2.0      An edit of an array that runs is refused.
``RECOVERY_BY_NAME``             0.1.0     0.2.0      A recovered node takes the outputs of the one that had its id.
===============================  ========  =========  ==============================================================

Since: the version that brought the marker. Until 0.1.0 is released, only runs of development builds lack it. Removable:
the first version that may drop the old path, together with the histories in tests/replay that need it. Call
``workflow.deprecate_patch`` there in place of ``workflow.patched``, and drop that call in the version after. Both are
safe only if no run is open that was started before the version in the column before.
"""

import enum


class Patch(enum.StrEnum):
    """A patch marker. Its value is in histories and never changes, even when the name does."""

    CHOOSE_CASE = "choose_case"
    INLINE_TASKS_BY_REFERENCE = "pure_by_reference"
    PAYLOAD_BUDGET = "freight"
    WORKFLOW_TASK_STEPS = "steps"
    ELEMENTS_TAKE_STEPS = "elements-take-steps"
    SHARED_TIMERS = "shared-timers"
    SUSPENDED_NODES = "parked-sleepers"
    STOPPED_SLEEPERS_REPORT = "stopped_sleepers_tell"
    DRAIN_DEADLINE = "drain-deadline"
    BOUNDED_DEPTH = "bounded-depth"
    DEADLINE_FOR_RETRIES = "deadline-for-retries"
    OLDER_CHECKPOINTS = "older-checkpoints"
    DECKS_OF_ALL_ENDS = "decks-of-all-ends"
    CACHED_DYNAMICS = "cached-dynamics"
    LAST_REPORT_IS_LOCAL = "last-report-is-local"
    PAUSES = "pauses"
    SWEEPER_IS_A_LOOP = "sweeper-is-a-loop"
    CACHE_LOOKUPS = "cache-lookups"
    EDITS_OF_RUNNING_ARRAYS = "edits-of-running-arrays"
    RECOVERY_BY_NAME = "recovery-by-name"
