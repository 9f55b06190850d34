"""Server reflection, as grpcurl and its like use it: in version 1 and, for older clients, version 1alpha."""

from collections.abc import Sequence
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

SERVICE_NAMES = ("grpc.reflection.v1.ServerReflection", reflection.SERVICE_NAME)
_METHOD = "ServerReflectionInfo"


class _Servicer(reflection.aio.ReflectionServicer):
    """The servicer of the package, which finds services and messages by their names, with methods added."""

    def _file_containing_symbol(self, request: Any, fully_qualified_name: str) -> Any:
        service, _, method = fully_qualified_name.rpartition(".")
        if service in self._service_names and method in self._pool.FindServiceByName(service).methods_by_name:
            fully_qualified_name = service
        return super()._file_containing_symbol(request, fully_qualified_name)  # type: ignore[no-untyped-call]


def handlers(services: Sequence[str]) -> tuple[grpc.GenericRpcHandler, ...]:
    """Return the handlers of both versions, which describe ``services`` and themselves."""
    servicer = _Servicer((*services, *SERVICE_NAMES))  # type: ignore[no-untyped-call]
    # The messages of both versions are the same on the wire; the package has those of the older one only.
    method = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return tuple(grpc.method_handlers_generic_handler(name, {_METHOD: method}) for name in SERVICE_NAMES)
