"""The registry of methods, built from protobuf service descriptors and served over gRPC and HTTP alike."""

import functools
import inspect
import typing
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from google.api import annotations_pb2, http_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from flytetemporal.errors import Unimplemented

D = TypeVar("D")
Handler: TypeAlias = Callable[[Message], Awaitable[Message]]
Function: TypeAlias = Callable[[D, Any], Awaitable[Message]]
"""Serves an RPC: takes dependencies and request. ``bind`` checks the type of the request, hence ``Any`` here."""


@dataclass(frozen=True, slots=True)
class Method:
    """An RPC. ``rules`` are its HTTP bindings, the canonical one first."""

    service: str
    name: str
    request: type[Message]
    response: type[Message]
    rules: tuple[http_pb2.HttpRule, ...]
    handler: Handler

    @property
    def path(self) -> str:
        """The gRPC path."""
        return f"/{self.service}/{self.name}"


def bind(
    service: ServiceDescriptor,
    functions: Mapping[str, Function[D]],
    dependencies: D,
    *,
    unserved: Collection[str] = (),
) -> list[Method]:
    """Return the methods of ``service``, each served by the function of its name; ``unserved`` ones are UNIMPLEMENTED.

    A function takes the dependencies and the request, and returns the response.

    Raises:
        TypeError: a method has no function, a function belongs to no method, or a function is annotated with other
            messages than its method has. The text names all of them.
    """
    if problems := [*_unmatched(service, functions, unserved), *_mistyped(service, functions)]:
        raise TypeError(f"{service.full_name} cannot be served: {'; '.join(problems)}")
    served = {name: functools.partial(function, dependencies) for name, function in functions.items()}
    return [_method(service, method, served.get(method.name)) for method in service.methods]


def refuse(service: ServiceDescriptor, reason: str) -> list[Method]:
    """Return the methods of ``service``, each of which answers UNIMPLEMENTED with ``reason``."""
    return [_method(service, method, _unimplemented(reason)) for method in service.methods]


def _unmatched(
    service: ServiceDescriptor, functions: Mapping[str, Function[D]], unserved: Collection[str]
) -> Iterator[str]:
    declared = service.methods_by_name
    yield from (f"{name} has no function" for name in declared if name not in functions and name not in unserved)
    yield from (f"{name} is not a method of the service" for name in (*functions, *unserved) if name not in declared)


def _mistyped(service: ServiceDescriptor, functions: Mapping[str, Function[D]]) -> Iterator[str]:
    """Yield the functions whose annotations differ from the descriptor.

    mypy cannot compare the two: descriptors exist at run time only.
    """
    for method in service.methods:
        if method.name not in functions:
            continue
        expected = (_message(method.input_type), _message(method.output_type))
        found = _annotated(functions[method.name])
        if found != expected:
            yield f"{method.name} maps {_names(expected)}, its function {_names(found)}"


def _annotated(function: Function[D]) -> tuple[object, object]:
    """Return the types of the request and the response; None for one that is not annotated."""
    hints = typing.get_type_hints(function)
    _, request = inspect.signature(function).parameters
    return hints.get(request), hints.get("return")


def _names(types: tuple[object, object]) -> str:
    return " to ".join(getattr(found, "__name__", str(found)) for found in types)


def _method(service: ServiceDescriptor, method: MethodDescriptor, handler: Handler | None) -> Method:
    return Method(
        service=service.full_name,
        name=method.name,
        request=_message(method.input_type),
        response=_message(method.output_type),
        rules=_rules(method),
        handler=handler or _unimplemented(f"{service.full_name}.{method.name} is not served here"),
    )


def _unimplemented(reason: str) -> Handler:
    async def handler(_: Message) -> Message:
        raise Unimplemented(reason)

    return handler


def _message(descriptor: Descriptor) -> type[Message]:
    return message_factory.GetMessageClass(descriptor)


def _rules(descriptor: MethodDescriptor) -> tuple[http_pb2.HttpRule, ...]:
    extensions: Any = descriptor.GetOptions().Extensions
    if annotations_pb2.http not in extensions:
        return ()
    rule: http_pb2.HttpRule = extensions[annotations_pb2.http]
    return (rule, *rule.additional_bindings)
