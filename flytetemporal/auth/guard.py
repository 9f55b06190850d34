"""The guard of all methods: authenticates each call once, for gRPC and HTTP alike."""

import contextlib
from collections.abc import AsyncIterator

from google.protobuf.message import Message

from flytetemporal.auth import identity as identities
from flytetemporal.auth.authentication import Chain
from flytetemporal.rpc.callers import Presented
from flytetemporal.rpc.methods import Method

# Clients call these to find out how to sign in.
ANONYMOUS = frozenset(
    {
        "/flyteidl.service.AuthMetadataService/GetOAuth2Metadata",
        "/flyteidl.service.AuthMetadataService/GetPublicClientConfig",
        "/flyteidl.service.AdminService/GetVersion",
    }
)


class SignInGuard:
    """Serves calls of those that have signed in."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    @contextlib.asynccontextmanager
    async def admitting(self, method: Method, _: Message, presented: Presented) -> AsyncIterator[None]:
        """Let the method run as the identity of its caller."""
        found = None if method.path in ANONYMOUS else await self._chain.authenticate(presented)
        with identities.acting_as(found):
            yield
