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
