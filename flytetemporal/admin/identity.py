"""IdentityService and AuthMetadataService of an installation without authentication.

The console asks who the user is; every user is anonymous. flytekit and flytectl ask for authentication metadata only
after a call was refused as UNAUTHENTICATED, which does not happen here. So AuthMetadataService answers UNIMPLEMENTED
with ``NO_AUTHENTICATION``: an empty client configuration would send users to a login page that does not exist.
"""

from flyteidl.service import identity_pb2

from flytetemporal.admin.base.dependencies import Dependencies

NO_AUTHENTICATION = "this installation asks for no authentication; use an insecure connection without an auth type"


async def user_info(_: Dependencies, request: identity_pb2.UserInfoRequest) -> identity_pb2.UserInfoResponse:
    """Return the anonymous user, who has no subject."""
    del request
    return identity_pb2.UserInfoResponse(name="anonymous", preferred_username="anonymous")
