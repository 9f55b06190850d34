"""Replay every recorded history with the workflow as it is now.

A history is recorded by ``pytest tests/integration/workflows --record-histories``. It is replaced only when the
behaviour it shows was removed on purpose: a change that breaks one needs ``workflow.patched``.
"""

import gzip
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from flytetemporal.contracts import payloads
from flytetemporal.workflows.array import ArrayWorkflow
from flytetemporal.workflows.control.backfill import BackfillWorkflow
from flytetemporal.workflows.control.scheduled_launch import ScheduledLaunchWorkflow
from flytetemporal.workflows.control.sweeper import SweeperWorkflow
from flytetemporal.workflows.control.upkeep import UpkeepWorkflow
from flytetemporal.workflows.execution import ExecutionWorkflow

HISTORIES = sorted(Path(__file__).with_name("histories").glob("*.json.gz"))


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.name.removesuffix(".json.gz"))
async def test_recorded_history_replays(path: Path) -> None:
    history = WorkflowHistory.from_json("recorded", gzip.decompress(path.read_bytes()).decode())
    replayer = Replayer(
        workflows=[
            ExecutionWorkflow,
            ArrayWorkflow,
            ScheduledLaunchWorkflow,
            SweeperWorkflow,
            UpkeepWorkflow,
            BackfillWorkflow,
        ],
        data_converter=payloads.DATA_CONVERTER,
        workflow_runner=UnsandboxedWorkflowRunner(),
        debug_mode=True,  # On a crowded machine a workflow task takes longer than the two seconds that the SDK allows.
    )

    result = await replayer.replay_workflow(history)

    assert result.replay_failure is None


@pytest.mark.parametrize(
    "words",
    [
        ("chain",), ("branch",), ("subworkflow",), ("echo",), ("core_sleep",), ("signal_gate",), ("sleep_gate",),
        ("approval",), ("rejection",), ("failure_node",), ("recoverable",), ("rule",), ("open_too_long",),
        ("waits_too_long",), ("runs_too_long",), ("stay_in_the_store",), ("finished_first",),
        ("abort", "running"), ("abort", "back_off"), ("abort", "gate"), ("abort", "clean_up"),
        ("abort", "failure_node"), ("abort", "before_a_worker"), ("returned_runs_below",), ("dynamic_nodes",),
        ("time_out_below",), ("child_gets",), ("abort_reaches_the_child",), ("failed_child",),
        ("lists_of_what_elements",), ("too_many_failures",), ("rows_of_their_own",), ("elements_of_a_launch_plan",),
        ("abort_stops_the_elements",), ("element_is_tried_again",), ("sleepers_share",), ("wakes_many_sleepers",),
        ("crowd_begins",), ("stops_a_crowd",), ("crowd_sleeps_on", "run1"),
        ("parked_keep_their_slots",), ("stops_nodes_that_are_parked",),
        ("nothing_is_shown",),
        ("branch_decides", "does_not_travel"), ("echo_hands_on",), ("core_sleep", "does_not_travel"),
        ("arguments_of_many",), ("flyte_gives_one_id", "run1"), ("is_missed",),
        ("makes_itself_again",), ("down_to_the_limit",),
        ("goes_on_waiting", "run1"), ("long_chain", "run1"), ("abort_reaches_a_node", "run1"),
        ("nests_an_output",),
        ("waits_as_often_as_its_retries_say",),
        ("not_generated_again",), ("level_is_read_once",),
        ("elements_that_succeeded_do_not",), ("recovery_continues", "run1"),
        ("subworkflow_that_failed_keeps",), ("recovered_by_reference",), ("launch_plan_node_that_failed_is_recovered",),
        ("fork_reuses",), ("fork_reads_its_file_again", "run1"), ("resources_that_the_fork",),
        ("elements_are_reused_only",),
        ("admin_that_does_not_answer",), ("schedules_nothing_as_it_ends", "run1"),
        ("elements_in_batches_are_the_same",), ("several_rows_in_batches",), ("batch_is_tried_again",),
        ("batch_gives_back",), ("abort_stops_elements_in_batches",), ("share_a_process_run_alone",),
        ("held_node_waits",), ("skipped_ends_with",), ("below_a_subworkflow_is_held",), ("dynamic_workflow_is_held",),
        ("map_task_is_held",), ("no_longer_holds",), ("saw_the_same_revision",), ("before_the_first_worker",),
        ("holds_and_edits_survive", "run1"), ("limit_was_raised",), ("has_not_started_gets",),
        ("between_two_attempts",), ("map_that_has_not_started", "520"), ("changes_survive", "run1"),
        ("dynamic_node_are_stored_in_the_cache",), ("dynamic_node_is_stored_in_a_later_run", "run1"),
        ("takes_one_workflow_task",), ("last_report_is_repeated",),
        ("pause_in_the_middle",), ("resumption_wakes_them_all",), ("stopped_attempts_are_not_charged",),
        ("stopped_ones_run_again",), ("shards_with_a_history", "node-1"), ("paused_run_continues", "run1"),
        ("stays_queued",), ("abort_wins",),
        ("clocks_of_limits", "node"), ("clocks_of_limits", "execution"), ("stopped_clock_goes_on", "run1"),
        ("starts_a_workflow_that_knows_its_time",),
        ("loop_that_is_woken",), ("sweeper_of_an_earlier_release",),
        ("share_a_lookup",), ("long_chain_of_cached",), ("hold_up_attempts",), ("failed_or_was_slow", "failure"),
        ("failed_or_was_slow", "slow"), ("map_are_looked_up",), ("elements_are_in_no_batch",),
        ("large_map_are_looked_up",),
        ("without_cached_outputs",), ("lookups_return_is_bounded",), ("cached_nodes_continue", "run1"),
        ("while_their_map_runs", "alone"), ("while_their_map_runs", "in_batches"), ("limit_of_their_map",),
        ("large_map_are_changed", "run-0"), ("large_map_are_changed", "run-1"),
        ("backfill_advances",), ("notifies_the_backfill",),
    ],
    ids="-".join,
)  # fmt: skip
def test_there_is_a_history_of(words: tuple[str, ...]) -> None:
    assert any(all(word in path.name for word in words) for path in HISTORIES)
