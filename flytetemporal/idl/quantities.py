"""Kubernetes resource quantities such as ``500m`` and ``1Gi`` as exact numbers.

The Kubernetes client has a parser too, but importing it takes a second in every process.
"""

import re
from decimal import Decimal

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)|[eE]([+-]?\d{1,3}))?")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


def parse(text: str) -> Decimal:
    """Return the amount in whole units: cores, bytes, devices.

    Raises:
        ValueError: the text is not a quantity.
    """
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a Kubernetes quantity")
    number, suffix, exponent = Decimal(found[1]), found[2], found[3]
    if exponent is not None:
        return number.scaleb(int(exponent))
    if suffix in _BINARY:
        return number * Decimal(1024) ** _BINARY[suffix]
    return number.scaleb(_DECIMAL[suffix]) if suffix else number


def binary(size: int) -> str:
    """Return a number of bytes in the largest unit in which it is a whole number, such as ``1536Mi``."""
    for suffix, power in reversed(_BINARY.items()):
        whole, rest = divmod(size, 1024**power)
        if whole and not rest:
            return f"{whole}{suffix}"
    return str(size)
