"""Every error raised on purpose.

FlyteError
├── InvalidRequest            the caller sent something wrong
│   ├── CompileFailed         a workflow or task does not compile; carries every problem
│   ├── StructureConflict     the id exists with another structure
│   ├── ResolutionFailed      a binding names a value that is not there
│   ├── ValueTooLarge         a value is larger than what carries it
│   └── MalformedCondition    a branch compares what cannot be compared
├── AlreadyExists             the same thing exists already
├── NotFound                  the named thing does not exist
├── FailedPrecondition        the state of the named thing forbids this
│   └── AlreadyTerminal       the execution, node or task has ended
├── Unauthenticated
├── PermissionDenied
├── QuotaExceeded             too much; try again later
├── Unavailable               a part we need does not answer; try again
│   └── StoreAccessDenied     the object store denies access; an operator has to change something
├── Unimplemented             Flyte has it, we do not (yet)
└── Internal                  our own fault; the text is for the log
    └── ValueOffloaded        a value has to be read from its own file first

Status codes live in ``rpc/status.py``; this module imports nothing of ours, so pure code may raise from it.
"""

from collections.abc import Sequence

from google.protobuf.message import Message


class FlyteError(Exception):
    """Root of the tree. ``details`` are protobuf messages that travel with the status."""

    def __init__(self, message: str, *, details: Sequence[Message] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = tuple(details)


class InvalidRequest(FlyteError):
    """The caller sent something wrong; repeating it cannot help."""


class CompileFailed(InvalidRequest):
    """A workflow or task does not compile; the message lists every problem."""


class StructureConflict(InvalidRequest):
    """The id exists with another structure; register a new version."""


class ResolutionFailed(InvalidRequest):
    """A binding or an attribute path names a value that is not there; the node fails."""


class ValueTooLarge(InvalidRequest):
    """A value is larger than what has to carry it; the text names it, its size and the limit."""


class MalformedCondition(InvalidRequest):
    """A branch condition compares what cannot be compared or names an unknown variable; the node fails."""


class AlreadyExists(FlyteError):
    """The same thing exists already."""


class NotFound(FlyteError):
    """The named thing does not exist."""


class FailedPrecondition(FlyteError):
    """The state of the named thing forbids this."""


class AlreadyTerminal(FailedPrecondition):
    """The execution, node or task has ended; carries ``EventFailureReason`` where Flyte's clients look for it."""


class Unauthenticated(FlyteError):
    """The caller did not say who it is."""


class PermissionDenied(FlyteError):
    """The caller may not do this."""


class QuotaExceeded(FlyteError):
    """Too much at once; the same call may pass later."""


class Unavailable(FlyteError):
    """A part we need does not answer; the same call may pass later."""


class StoreAccessDenied(Unavailable):
    """The object store denies access. Retrying helps only after an operator has changed credentials or permissions."""


class Unimplemented(FlyteError):
    """Flyte has it, we do not."""


class Internal(FlyteError):
    """Our own fault. The message is logged, not sent."""


class ValueOffloaded(Internal):
    """A value lies in a file of its own, at ``uri``, and must be read before this can go on."""

    def __init__(self, uri: str) -> None:
        super().__init__(f"the value at [{uri}] must be read first")
        self.uri = uri
