"""Every type of value that flytekit supports: scalars, times, enums, optionals, unions, collections, classes."""

import datetime as dt
import enum
from dataclasses import dataclass, field
from typing import Dict, List, NamedTuple, Optional, Union

from case import Case
from flytekit import task, workflow
from pydantic import BaseModel


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Inner:
    names: List[str] = field(default_factory=lambda: ["a", "b"])


@dataclass
class Outer:
    inner: Inner = field(default_factory=Inner)
    ratio: float = 0.5
    sizes: Dict[str, int] = field(default_factory=lambda: {"k": 4})


class Model(BaseModel):
    number: int = 4
    tags: List[str] = ["x"]


class NotSerializable:
    """flytekit pickles values of types it does not know."""

    def __init__(self, text: str) -> None:
        self.text = text


class Values(NamedTuple):
    number: int
    ratio: float
    text: str
    truth: bool
    when: dt.datetime
    day: dt.date
    took: dt.timedelta
    colour: Colour
    maybe: Optional[int]
    either: Union[int, str]
    numbers: List[List[int]]
    shares: Dict[str, float]
    outer: Outer
    model: Model
    free: dict


@task
def same(
    number: int,
    ratio: float,
    text: str,
    truth: bool,
    when: dt.datetime,
    day: dt.date,
    took: dt.timedelta,
    colour: Colour,
    maybe: Optional[int],
    either: Union[int, str],
    numbers: List[List[int]],
    shares: Dict[str, float],
    outer: Outer,
    model: Model,
    free: dict,
) -> Values:
    return Values(
        number, ratio, text, truth, when, day, took, colour, maybe, either, numbers, shares, outer, model, free
    )


@workflow
def echoed(
    number: int = 7,
    ratio: float = 2.5,
    text: str = "ä\n€",
    truth: bool = True,
    when: dt.datetime = dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc),
    day: dt.date = dt.date(2024, 2, 29),
    took: dt.timedelta = dt.timedelta(seconds=90),
    colour: Colour = Colour.BLUE,
    maybe: Optional[int] = None,
    either: Union[int, str] = "either",
    numbers: List[List[int]] = [[1], [], [2, 3]],
    shares: Dict[str, float] = {"k": 0.5},
    outer: Outer = Outer(),
    model: Model = Model(),
    free: dict = {"a": [1, {"b": None}]},
) -> Values:
    return same(
        number=number,
        ratio=ratio,
        text=text,
        truth=truth,
        when=when,
        day=day,
        took=took,
        colour=colour,
        maybe=maybe,
        either=either,
        numbers=numbers,
        shares=shares,
        outer=outer,
        model=model,
        free=free,
    )


@task
def pickled(text: str) -> NotSerializable:
    return NotSerializable(text)


@task
def unpickled(thing: NotSerializable) -> str:
    return thing.text


@workflow
def through_pickle(text: str) -> str:
    return unpickled(thing=pickled(text=text))


DEFAULTS = Values(
    number=7,
    ratio=2.5,
    text="ä\n€",
    truth=True,
    when=dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc),
    day=dt.date(2024, 2, 29),
    took=dt.timedelta(seconds=90),
    colour=Colour.BLUE,
    maybe=None,
    either="either",
    numbers=[[1], [], [2, 3]],
    shares={"k": 0.5},
    outer=Outer(),
    model=Model(),
    free={"a": [1, {"b": None}]},
)._asdict()
OTHERS = {
    "number": -(2**62),
    "maybe": 3,
    "either": 5,
    "colour": Colour.RED,
    "outer": Outer(inner=Inner(names=[]), ratio=-1.5),
    "model": Model(number=0, tags=[]),
    "numbers": [],
}

CASES = [
    Case(echoed, outputs=DEFAULTS),
    Case(echoed, OTHERS, {**DEFAULTS, **OTHERS}),
    Case(through_pickle, {"text": "kept"}, {"o0": "kept"}),
]
