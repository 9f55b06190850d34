"""Translate the errors of object stores: missing, denied, throttled or unreachable.

s3fs and gcsfs raise some errors as ``OSError`` and pass on others of their client libraries. These are recognised
by name: importing botocore, aiohttp and Google's libraries would cost every process half a second, also
where the store is a folder.
"""

import errno
import re
from typing import Any

from flytetemporal.errors import FlyteError, InvalidRequest, NotFound, StoreAccessDenied, Unavailable

_MISSING = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
# Of botocore's ClientError and of gcsfs' HttpError.
_MISSING_CODES = {"404", "NoSuchKey", "NoSuchBucket", "NotFound"}
_DENIED_CODES = {
    "401", "403", "AccessDenied", "AllAccessDisabled", "AccountProblem", "ExpiredToken", "Forbidden",
    "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch", "Unauthorized",
}  # fmt: skip
_THROTTLED_CODES = {"429", "503", "SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded"}
_DENIED_CLASSES = {
    "botocore.exceptions.NoCredentialsError",
    "botocore.exceptions.PartialCredentialsError",
    "botocore.exceptions.CredentialRetrievalError",
    "botocore.exceptions.TokenRetrievalError",
    "google.auth.exceptions.DefaultCredentialsError",
    "google.auth.exceptions.RefreshError",
}
_INVALID_CLASSES = {"botocore.exceptions.ParamValidationError"}
_INVALID_CODES = {"KeyTooLongError", "KeyTooLong", "InvalidBucketName", "InvalidURI", "EntityTooLarge"}
# What a file system says of names that it can never have. Everything else may pass: a disk is full, a mount is gone.
_INVALID_ERRNOS = {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ}
_UNREACHABLE_CLASSES = {
    "botocore.exceptions.BotoCoreError",
    "botocore.exceptions.ClientError",
    "aiohttp.client_exceptions.ClientError",
    "gcsfs.retry.HttpError",
    "google.auth.exceptions.GoogleAuthError",
    "requests.exceptions.RequestException",
    "builtins.OSError",
    "builtins.TimeoutError",
    "asyncio.exceptions.TimeoutError",
}
# flytekit's own errors for the data of a task: inputs, outputs, code, files.
_TRANSFER = re.compile("Flyte(Upload|Download)DataException|SYSTEM:(Upload|Download)DataError")
# What its traceback names if the store was unreachable, overloaded or broken, without the modules of the classes: a
# traceback in a narrow terminal has none.
_OUTAGE = re.compile(
    "EndpointConnectionError|ConnectTimeoutError|ReadTimeoutError|ConnectionClosedError|ProxyConnectionError|"
    "ClientConnectorError|ServerDisconnectedError|ServerTimeoutError|ClientOSError|ClientPayloadError|FSTimeoutError|"
    r"IncompleteRead|Please reduce your request rate|HttpError: .{0,80}\b(429|50[0234])\b|"
    r"\((InternalError|ServiceUnavailable|SlowDown|RequestTimeout|50[0234])\)"
)
# flytekit's error is at the end of the output; handlers that fail at exit add a few kilobytes. Its traceback leads from
# the task to the socket.
_ERROR_CHARACTERS = 16 * 1024
TRACEBACK_CHARACTERS = 64 * 1024


def translated(error: Exception, uri: str) -> FlyteError | None:
    """Return the error to raise for a failed operation on ``uri``; None if the error is not the store's."""
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
    code = _code(error)
    if isinstance(error, _MISSING) or code in _MISSING_CODES:
        return NotFound(f"object not found: {uri}")
    if isinstance(error, PermissionError) or code in _DENIED_CODES or names & _DENIED_CLASSES:
        return StoreAccessDenied(
            f"the object store denies access to {uri}: {_text(error)}; check the credentials in "
            "FLYTETEMPORAL_STORAGE__OPTIONS or in the environment of this process"
        )
    if names & _INVALID_CLASSES or code in _INVALID_CODES or getattr(error, "errno", None) in _INVALID_ERRNOS:
        return InvalidRequest(f"the object store cannot have an object at {uri}: {_text(error)}")
    if code in _THROTTLED_CODES:
        return Unavailable(f"the object store throttles requests for {uri}: {_text(error)}")
    if names & _UNREACHABLE_CLASSES:
        return Unavailable(f"the object store does not answer for {uri}: {_text(error)}")
    return None


def tells_of_outage(text: str) -> bool:
    """Whether flytekit has failed because the store did not serve it.

    Errors that the code of a task gets from a store without flytekit are the task's own.

    Args:
        text: The output of a task's process, or the text of a task's error. Only its end counts.
    """
    return bool(_TRANSFER.search(text[-_ERROR_CHARACTERS:]) and _OUTAGE.search(text[-TRACEBACK_CHARACTERS:]))


def _code(error: Exception) -> str:
    """Return the code that the store answered with, empty if it did not answer."""
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code", ""))
    code = getattr(error, "code", None)
    return str(code) if isinstance(code, int | str) else ""


def _text(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
