"""Find out who calls: ask each authenticator in turn what it makes of the credentials of a request."""

from collections.abc import Sequence
from typing import Protocol

from flytetemporal.auth.identity import Identity
from flytetemporal.errors import Unauthenticated
from flytetemporal.rpc.callers import Presented as Presented  # For authenticators, which need no other part of rpc.

# flytekit and flytectl start a login after the status UNAUTHENTICATED; the text is for those that cannot.
_NOTHING = "sign in: this server serves no call without a credential, such as `authorization: Bearer <token>`"
_UNKNOWN = "the credential is of a kind that is not accepted here, or was issued by a server that is not trusted"


class Authenticator(Protocol):
    """Knows one kind of credential."""

    async def authenticate(self, presented: Presented) -> Identity | None:
        """Return whose credential was presented; None if it is of a kind that others know.

        Raises:
            Unauthenticated: the credential is of this kind and not valid; the text is one sentence.
        """
        ...


class Chain:
    """Authenticators that are asked in turn; the first one that knows the kind of credential decides."""

    def __init__(self, authenticators: Sequence[Authenticator]) -> None:
        self._authenticators = tuple(authenticators)

    async def authenticate(self, presented: Presented) -> Identity:
        """Return who calls.

        Raises:
            Unauthenticated: no credential was presented, it is not valid, or no authenticator knows its kind.
        """
        for authenticator in self._authenticators:
            if (identity := await authenticator.authenticate(presented)) is not None:
                return identity
        raise Unauthenticated(_UNKNOWN if presented.authorization else _NOTHING)
