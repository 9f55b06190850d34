from flytetemporal.idl import array_errors


def test_each_message_is_told_once_with_its_elements() -> None:
    errors = [(4, "b"), (0, "a"), (2, "a"), (3, "a")]

    assert array_errors.summary(errors) == "[0][2-3]: a\n[4]: b\n"


def test_no_more_is_told_than_people_read() -> None:
    text = array_errors.summary((index, f"{index:04d} " + "x" * 1000) for index in range(100))

    assert text.endswith("\n... and many more.")
    assert len(text) < 11_000


def test_one_message_is_told_however_long() -> None:
    assert array_errors.summary([(0, "x" * 20_000)]) == f"[0]: {'x' * 20_000}\n"
