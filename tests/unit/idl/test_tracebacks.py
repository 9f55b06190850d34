from flytetemporal.idl import tracebacks

MESSAGE = """Trace:

    Traceback (most recent call last):
      File "/env/lib/python3.11/site-packages/flytekit/core/base_task.py", line 767, in dispatch_execute
        native_outputs = self.execute(**native_inputs)
                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      File "/state/run/7c27/root/err.py", line 6, in t
        return deep(a)
               ^^^^^^^
      File "/state/run/7c27/root/lib/inner.py", line 3, in deep
        raise ValueError(f"bad {x}")
      File "/env/lib/python3.11/json/decoder.py", line 355, in raw_decode
    ValueError: bad 1

Message:

    ValueError: bad 1"""


def test_the_exception_and_the_users_frames_come_first() -> None:
    assert tracebacks.user_frames_first(MESSAGE).splitlines()[:4] == [
        "ValueError: bad 1",
        '  lib/inner.py:3 in deep: raise ValueError(f"bad {x}")',
        "  err.py:6 in t: return deep(a)",
        "",
    ]


def test_nothing_is_lost() -> None:
    assert tracebacks.user_frames_first(MESSAGE).endswith(MESSAGE)


def test_of_chained_exceptions_the_last_one_counts() -> None:
    chained = f"""{MESSAGE.replace("Trace:", "Trace:")}

    During handling of the above exception, another exception occurred:

    Traceback (most recent call last):
      File "/root/err.py", line 9, in t
        raise RuntimeError("worse")
    RuntimeError: worse"""

    assert tracebacks.user_frames_first(chained).splitlines()[:2] == [
        "RuntimeError: worse",
        '  err.py:9 in t: raise RuntimeError("worse")',
    ]


def test_only_the_innermost_frames_are_shown() -> None:
    frames = "\n".join(f'  File "/root/err.py", line {i}, in f\n    f()' for i in range(1, 90))
    text = f"Traceback (most recent call last):\n{frames}\nRecursionError: deep"

    shown = tracebacks.user_frames_first(text).splitlines()

    assert shown[:2] == ["RecursionError: deep", "  err.py:89 in f: f()"]
    assert shown[1 + tracebacks.SHOWN_FRAMES] == ""


def test_other_messages_stay_as_they_are() -> None:
    for text in (
        "",
        "exit code 3",
        "the log says: Traceback (most recent call last):\n  nothing",
        "Trace:\n\n nothing",
    ):
        assert tracebacks.user_frames_first(text) == text
