"""IdentityService: who has signed in. Without sign-in neither it nor AuthMetadataService is served, like in Flyte.

The console asks who the user is. If it is told nobody in particular, it offers "Only my executions" and asks for those
of an empty user; after UNIMPLEMENTED it offers no such filter. flytekit and flytectl ask for authentication metadata
only after a call was refused as UNAUTHENTICATED, which does not happen without sign-in: an empty client configuration
would send users to a login page that does not exist.
"""

from flyteidl.service import identity_pb2

from flytetemporal.auth import identity as identities
from flytetemporal.errors import Unimplemented

NO_AUTHENTICATION = "this installation asks for no authentication; use an insecure connection without an auth type"


async def user_info(_: None, __: identity_pb2.UserInfoRequest) -> identity_pb2.UserInfoResponse:
    """Return who has signed in. Raises ``Unimplemented`` without sign-in."""
    who = identities.current()
    if who is None:
        raise Unimplemented(NO_AUTHENTICATION)
    return identity_pb2.UserInfoResponse(
        subject=who.subject,
        name=who.name,
        email=who.email,
        preferred_username=who.profile.get("preferred_username", ""),
        given_name=who.profile.get("given_name", ""),
        family_name=who.profile.get("family_name", ""),
        picture=who.profile.get("picture", ""),
    )
