"""The errors that flytetemporal raises.

FlyteError
├── InvalidRequest            the caller sent something wrong
│   ├── CompileFailed         a workflow or task does not compile; carries every problem
│   ├── StructureConflict     the id exists with a different structure
│   ├── ResolutionFailed      a binding refers to a value that does not exist
│   ├── ValueTooLarge         a value exceeds a limit
│   ├── LinkedFolder          a folder of the object store has been replaced by a link
│   └── MalformedCondition    a branch condition cannot be evaluated
├── AlreadyExists             an identical entity exists already
├── NotFound                  the entity does not exist
├── FailedPrecondition        the state of the entity does not allow this
│   ├── AlreadyTerminal       the execution, node or task has ended
│   └── StartRefused          Temporal refuses to start the execution, and would refuse it again
├── Conflict                  something else was changed first; look at it and try again
├── Unauthenticated
├── PermissionDenied
├── QuotaExceeded             too many requests or executions; try again later
├── Unavailable               a service that is needed does not answer; try again
│   └── StoreAccessDenied     the object store denies access; an operator has to change something
├── Unimplemented             Flyte has it, flytetemporal does not (yet)
└── Internal                  a bug or damaged data; the text is only logged
    └── ValueOffloaded        a value must be read from the store first

Status codes live in ``rpc/status.py``; this module imports none of ours, so pure code can import it.
"""

from collections.abc import Sequence

from google.protobuf.message import Message


class FlyteError(Exception):
    """Base of all errors. ``details`` are protobuf messages that are sent with the status."""

    def __init__(self, message: str, *, details: Sequence[Message] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = tuple(details)


class InvalidRequest(FlyteError):
    """The request is invalid; repeating it does not help."""


class CompileFailed(InvalidRequest):
    """A workflow or task does not compile; the message lists every problem."""


class StructureConflict(InvalidRequest):
    """The id exists with a different structure; register a new version."""


class ResolutionFailed(InvalidRequest):
    """A binding or an attribute path refers to a value that does not exist; the node fails."""


class ValueTooLarge(InvalidRequest):
    """A value exceeds a limit; the text names the value, its size and the limit."""


class LinkedFolder(InvalidRequest):
    """A folder of the object store has been replaced by a link, so nothing in it can be read; the text names it."""


class MalformedCondition(InvalidRequest):
    """A branch condition compares incomparable values or refers to an unknown variable; the node fails."""


class AlreadyExists(FlyteError):
    """An identical entity exists already."""


class NotFound(FlyteError):
    """The entity does not exist."""


class FailedPrecondition(FlyteError):
    """The state of the entity does not allow this."""


class AlreadyTerminal(FailedPrecondition):
    """The execution, node or task has ended; carries the ``EventFailureReason`` that Flyte's clients look for."""


class StartRefused(FailedPrecondition):
    """Temporal refuses to start an execution, and would refuse it again; the execution fails."""


class Conflict(FlyteError):
    """The entity has changed since the caller has read it; the caller reads it again and decides anew."""


class Unauthenticated(FlyteError):
    """The caller is not authenticated."""


class PermissionDenied(FlyteError):
    """The caller is not allowed to do this."""


class QuotaExceeded(FlyteError):
    """Too many requests or executions at once; the same call can succeed later."""


class Unavailable(FlyteError):
    """A service that is needed does not answer; the same call can succeed later."""


class StoreAccessDenied(Unavailable):
    """The object store denies access. Retrying helps only after an operator has changed credentials or permissions."""


class Unimplemented(FlyteError):
    """Flyte has this feature, flytetemporal does not."""


class Internal(FlyteError):
    """A bug or damaged data. The message is logged, not sent to the client."""


class ValueOffloaded(Internal):
    """A value is stored in its own file at ``uri`` and must be read before the caller can continue.

    Pure code raises this instead of reading: the workflow then lets an activity do the work.
    """

    def __init__(self, uri: str) -> None:
        super().__init__(f"the value at [{uri}] must be read first")
        self.uri = uri
