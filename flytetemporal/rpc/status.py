"""Map errors to statuses and back; gRPC and HTTP share the table."""

from urllib.parse import quote

import grpc
from google.protobuf import any_pb2
from google.rpc import status_pb2

from flytetemporal import errors

# Clients refuse metadata of more than 8 KiB. A status is sent twice: percent-encoded, and as base64 of its message.
METADATA_LIMIT_BYTES = 7 * 1024

CODES: dict[type[errors.FlyteError], grpc.StatusCode] = {
    errors.InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Conflict: grpc.StatusCode.ABORTED,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    errors.QuotaExceeded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.Unimplemented: grpc.StatusCode.UNIMPLEMENTED,
    errors.Internal: grpc.StatusCode.INTERNAL,
}

HTTP_STATUS: dict[int, int] = {
    grpc.StatusCode.OK.value[0]: 200,
    grpc.StatusCode.CANCELLED.value[0]: 499,
    grpc.StatusCode.UNKNOWN.value[0]: 500,
    grpc.StatusCode.INVALID_ARGUMENT.value[0]: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED.value[0]: 504,
    grpc.StatusCode.NOT_FOUND.value[0]: 404,
    grpc.StatusCode.ALREADY_EXISTS.value[0]: 409,
    grpc.StatusCode.PERMISSION_DENIED.value[0]: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]: 429,
    grpc.StatusCode.FAILED_PRECONDITION.value[0]: 400,
    grpc.StatusCode.ABORTED.value[0]: 409,
    grpc.StatusCode.OUT_OF_RANGE.value[0]: 400,
    grpc.StatusCode.UNIMPLEMENTED.value[0]: 501,
    grpc.StatusCode.INTERNAL.value[0]: 500,
    grpc.StatusCode.UNAVAILABLE.value[0]: 503,
    grpc.StatusCode.DATA_LOSS.value[0]: 500,
    grpc.StatusCode.UNAUTHENTICATED.value[0]: 401,
}


def code(error: BaseException) -> grpc.StatusCode:
    """Return the status code of an error: that of the closest class in the table, else INTERNAL."""
    for kind in type(error).__mro__:
        if kind in CODES:
            return CODES[kind]
    return grpc.StatusCode.INTERNAL


def status(error: BaseException) -> status_pb2.Status:
    """Return the status for the client; the text of an internal error is replaced, it is for the log only."""
    number: int = code(error).value[0]
    if not isinstance(error, errors.FlyteError) or isinstance(error, errors.Internal):
        return status_pb2.Status(code=number, message="internal error; the server's log has the details")
    answer = status_pb2.Status(code=number, message=error.message)
    for detail in error.details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        answer.details.append(packed)
    return _shortened(answer)


def _shortened(answer: status_pb2.Status) -> status_pb2.Status:
    """Return the status in a form that fits into metadata: without details, then with fewer lines."""
    if _metadata_bytes(answer) > METADATA_LIMIT_BYTES:
        answer.ClearField("details")
    lines = answer.message.splitlines()
    kept = len(lines)
    while kept > 1 and _metadata_bytes(answer) > METADATA_LIMIT_BYTES:
        kept = kept * 9 // 10
        answer.message = "\n".join([*lines[:kept], f"... and {len(lines) - kept} more lines"])
    while _metadata_bytes(answer) > METADATA_LIMIT_BYTES:  # One line alone is too long.
        answer.message = answer.message[: len(answer.message) * 9 // 10] + "..."
    return answer


def _metadata_bytes(answer: status_pb2.Status) -> int:
    return len(quote(answer.message, safe=" ")) + 4 * answer.ByteSize() // 3


def error(number: int, message: str) -> errors.FlyteError:
    """Return the error of a status, for clients."""
    for kind, status_code in CODES.items():
        if status_code.value[0] == number:
            return kind(message)
    if number in (grpc.StatusCode.DEADLINE_EXCEEDED.value[0], grpc.StatusCode.CANCELLED.value[0]):
        return errors.Unavailable(message)
    return errors.Internal(message)
