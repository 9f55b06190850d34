"""IdentityService and AuthMetadataService of an installation without authentication, which serves neither, like Flyte.

The console asks who the user is. If it is told nobody in particular, it offers "Only my executions" and asks for those
of an empty user; after UNIMPLEMENTED it offers no such filter. flytekit and flytectl ask for authentication metadata
only after a call was refused as UNAUTHENTICATED, which does not happen here: an empty client configuration would send
users to a login page that does not exist.
"""

NO_AUTHENTICATION = "this installation asks for no authentication; use an insecure connection without an auth type"
