"""IdentityService and AuthMetadataService of an installation without authentication.

flytekit and flytectl ask for authentication metadata only after a call was refused as UNAUTHENTICATED, which never
happens here, so the metadata service says UNIMPLEMENTED: an empty client configuration would send them to a login page
that does not exist. The console asks who the user is and gets an anonymous one.
"""

from flyteidl.service import auth_pb2, identity_pb2

from flytetemporal.errors import Unimplemented

_NO_AUTH = "this installation asks for no authentication; use an insecure connection without an auth type"


class IdentityService:
    """Everybody is anonymous."""

    async def UserInfo(self, _: identity_pb2.UserInfoRequest) -> identity_pb2.UserInfoResponse:
        """Return a user without a subject."""
        return identity_pb2.UserInfoResponse(name="anonymous", preferred_username="anonymous")


class AuthMetadataService:
    """There is nothing to log in to."""

    async def GetOAuth2Metadata(self, _: auth_pb2.OAuth2MetadataRequest) -> auth_pb2.OAuth2MetadataResponse:
        """Refuse: there is no authorization server."""
        raise Unimplemented(_NO_AUTH)

    async def GetPublicClientConfig(
        self, _: auth_pb2.PublicClientAuthConfigRequest
    ) -> auth_pb2.PublicClientAuthConfigResponse:
        """Refuse: there is no public client."""
        raise Unimplemented(_NO_AUTH)
