import functools
import inspect
import typing
from typing import Any

import pytest

from flytetemporal.cli.wiring import control_plane
from flytetemporal.rpc.methods import Method

UNUSED: Any = None  # Binding a function does not touch what it will be called with.
METHODS = control_plane.methods(UNUSED, UNUSED, UNUSED)
SERVED = [method for method in METHODS if isinstance(method.handler, functools.partial)]


@pytest.mark.parametrize("method", SERVED, ids=lambda method: method.name)
def test_a_function_takes_and_returns_the_messages_of_its_method(method: Method) -> None:
    assert isinstance(method.handler, functools.partial)
    function = method.handler.func

    hints = typing.get_type_hints(function)

    _, request = inspect.signature(function).parameters
    assert (hints[request], hints["return"]) == (method.request, method.response)


def test_only_authentication_is_not_served() -> None:
    assert {method.service for method in METHODS if method not in SERVED} == {"flyteidl.service.AuthMetadataService"}
