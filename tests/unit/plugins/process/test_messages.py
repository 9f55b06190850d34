import pytest

from flytetemporal.plugins.process import messages
from flytetemporal.plugins.process.messages import Ended, Launch, Message, Ready, Refused, Signal, Started


@pytest.mark.parametrize(
    "message",
    [
        Launch(1, "p/d/e", ("sh", "-c", "line\nbreak"), {"A": "ä\udcff"}, "/d", "/l", "/b", 5),
        Signal(1, 15),
        Started(1, 4711),
        Refused(1, "no"),
        Ended(1, 9),
        Ready({}, ""),
    ],
)
def test_messages_come_back_as_they_went(message: Message) -> None:
    line = messages.encode(message)

    assert line.count(b"\n") == 1
    assert messages.decode(line) == message
