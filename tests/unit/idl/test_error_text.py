from flytetemporal.idl import error_text


def test_a_long_text_keeps_its_head_and_tail() -> None:
    text = error_text.shortened("head" + "x" * 500_000 + "tail")

    assert len(text) <= error_text.LIMIT
    assert text.startswith("head")
    assert text.endswith("tail")


def test_a_short_text_stays_as_it_is() -> None:
    assert error_text.shortened("short") == "short"
