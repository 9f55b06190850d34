"""One registry of methods, from protobuf service descriptors, that gRPC and HTTP both serve."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from google.api import annotations_pb2, http_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from flytetemporal.errors import Unimplemented

Handler = Callable[[Message], Awaitable[Message]]


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC. ``rules`` are its HTTP bindings, the first one being the canonical."""

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


def bind(service: ServiceDescriptor, implementation: object) -> list[Method]:
    """Return the methods of ``service``; the implementation has an async method of the same name for each it serves."""
    return [_method(service, descriptor, implementation) for descriptor in service.methods]


def _method(service: ServiceDescriptor, descriptor: MethodDescriptor, implementation: object) -> Method:
    handler = getattr(implementation, descriptor.name, None) or _unimplemented(service, descriptor)
    return Method(
        service=service.full_name,
        name=descriptor.name,
        request=message_factory.GetMessageClass(descriptor.input_type),
        response=message_factory.GetMessageClass(descriptor.output_type),
        rules=_rules(descriptor),
        handler=handler,
    )


def _unimplemented(service: ServiceDescriptor, descriptor: MethodDescriptor) -> Handler:
    async def handler(_: Message) -> Message:
        raise Unimplemented(f"{service.full_name}.{descriptor.name} is not served here")

    return handler


def _rules(descriptor: MethodDescriptor) -> tuple[http_pb2.HttpRule, ...]:
    extensions: Any = descriptor.GetOptions().Extensions
    if annotations_pb2.http not in extensions:
        return ()
    rule: http_pb2.HttpRule = extensions[annotations_pb2.http]
    return (rule, *rule.additional_bindings)
