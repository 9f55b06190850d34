from flytetemporal.idl import error_text


def test_a_long_text_keeps_its_head_and_tail() -> None:
    text = error_text.shortened("head" + "x" * 500_000 + "tail")

    assert len(text) <= error_text.LIMIT
    assert text.startswith("head")
    assert text.endswith("tail")


def test_a_short_text_stays_as_it_is() -> None:
    assert error_text.shortened("short") == "short"


def test_each_message_of_elements_appears_once_with_its_indexes() -> None:
    errors = [(4, "b"), (0, "a"), (2, "a"), (3, "a")]

    assert error_text.of_elements(errors) == "[0][2-3]: a\n[4]: b\n"


def test_messages_of_elements_beyond_the_limit_are_left_out() -> None:
    text = error_text.of_elements((index, f"{index:04d} " + "x" * 1000) for index in range(100))

    assert text.endswith("\n... and many more.")
    assert len(text) < 11_000


def test_the_first_message_of_elements_is_shown_whatever_its_length() -> None:
    assert error_text.of_elements([(0, "x" * 20_000)]) == f"[0]: {'x' * 20_000}\n"


def test_the_cause_of_a_kill_is_in_its_headline_although_lists_cut_it_off() -> None:
    text = (
        "[1/1] currentAttempt done. Last Error: USER::\r\n[e1-n0-0] terminated with exit code (137), signal (SIGKILL)."
    )

    assert error_text.cause("RetriesExhausted|OOMKilled", text[:100]).startswith("OOMKilled: [e1-n0-0] terminated with")


def test_a_code_that_the_headline_names_is_not_repeated() -> None:
    text = "[3/3] currentAttempt done. Last Error: USER::ValueError: no such file\n  more"

    assert error_text.cause("RetriesExhausted|USER:ValueError", text) == "ValueError: no such file"


def test_an_error_without_a_message_is_its_code() -> None:
    assert error_text.cause("RetriesExhausted|Interrupted", "") == "Interrupted"
