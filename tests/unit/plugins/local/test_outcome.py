import signal

import pytest

from flytetemporal.plugins.local import outcome
from flytetemporal.plugins.local.outcome import Exit
from flytetemporal.plugins.protocol import ErrorKind, PhaseInfo, TaskPhase


def judge(ended: Exit, *, out_of_memory: bool = False) -> PhaseInfo:
    return outcome.phase("e1-n0-0", ended, "the end", out_of_memory=out_of_memory)


def test_zero_is_success() -> None:
    assert judge(Exit(0)).phase == TaskPhase.SUCCEEDED


@pytest.mark.parametrize(
    ("ended", "out_of_memory", "code", "kind"),
    [
        (Exit(3), False, "Error", ErrorKind.USER),
        (Exit(None, signal=signal.SIGSEGV), False, "Error", ErrorKind.USER),
        (Exit(None, signal=signal.SIGTERM), False, "Error", ErrorKind.USER),
        (Exit(None, signal=signal.SIGKILL), False, "Interrupted", ErrorKind.SYSTEM),
        (Exit(137), False, "Interrupted", ErrorKind.SYSTEM),
        (Exit(247), False, "Interrupted", ErrorKind.SYSTEM),
        (Exit(None, signal=signal.SIGKILL), True, "OOMKilled", ErrorKind.USER),
        (Exit(1), True, "OOMKilled", ErrorKind.USER),
    ],
)
def test_ends_have_flytes_codes(ended: Exit, out_of_memory: bool, code: str, kind: ErrorKind.ErrorKind) -> None:
    info = judge(ended, out_of_memory=out_of_memory)

    assert info.phase == TaskPhase.FAILED
    assert info.recoverable
    assert info.error is not None
    assert (info.error.code, info.error.kind) == (code, kind)
    assert "the end" in info.error.message


def test_an_exit_of_flytekits_for_lack_of_the_store_is_a_system_failure() -> None:
    info = outcome.phase("e1-n0-0", Exit(1), "the end", out_of_memory=False, store_unreachable=True)

    assert info.error is not None
    assert (info.error.code, info.error.kind, info.recoverable) == ("StoreUnreachable", ErrorKind.SYSTEM, True)


def test_a_program_that_ends_well_has_reached_the_store() -> None:
    info = outcome.phase("e1-n0-0", Exit(0), "the end", out_of_memory=False, store_unreachable=True)

    assert info.phase == TaskPhase.SUCCEEDED


def test_the_message_names_attempt_code_and_signal() -> None:
    info = judge(Exit(None, signal=signal.SIGABRT))

    assert info.error is not None
    expected = (
        "\r\n[e1-n0-0] terminated with exit code (134), signal (SIGABRT). Reason [Error]. Message: \n\nthe end\n."
    )
    assert info.error.message == expected


def test_the_tail_is_bounded_in_lines_and_bytes() -> None:
    many = outcome.tail(b"".join(b"%d\n" % number for number in range(1000)))
    long = outcome.tail("ä".encode() * 5000)

    assert many.splitlines() == [str(number) for number in range(920, 1000)]
    assert len(long) <= outcome.TAIL_BYTES
