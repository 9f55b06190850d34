"""Settings of sign-in. Everything is off by default: a server on loopback serves its own machine without sign-in."""

from datetime import timedelta

from pydantic import Field

from flytetemporal.config.authorization_server import AuthorizationServerSettings
from flytetemporal.config.certificates import CertificateSettings
from flytetemporal.config.oidc import OidcSettings
from flytetemporal.config.part import Part


class BasicSettings(Part):
    """Users with passwords, for test environments."""

    password_file: str = ""
    """File with a line ``name:hash:group,group`` per user, with hashes of ``flytetemporal hash-password``; the groups
    can be left out. Empty: off. Passwords cross no network without TLS: admin does not start if they would."""


class ApiKeySettings(Part):
    """API keys, which `flytetemporal access keys` makes."""

    enabled: bool = False
    """Whether it is on."""
    max_age: timedelta = Field(default=timedelta(days=365), ge=timedelta(seconds=1))
    """The longest validity of a key."""


class AuthSettings(Part):
    """Who may call. Sign-in is required as soon as one section is on."""

    oidc: OidcSettings = OidcSettings()
    """Tokens and logins of an external issuer."""
    server: AuthorizationServerSettings = AuthorizationServerSettings()
    """Our own authorization server."""
    basic: BasicSettings = BasicSettings()
    """Users with passwords."""
    api_keys: ApiKeySettings = ApiKeySettings()
    """API keys."""
    certificates: CertificateSettings = CertificateSettings()
    """Certificates of clients."""

    platform_admins: tuple[str, ...] = ()
    """Subjects that are administrators of the platform, whatever is in the database: ``user:ada@example.com``,
    ``group:operators``, ``service:deployer``. The first one, who grants the roles of others, comes from here."""
    engines: tuple[str, ...] = ()
    """Subjects with the role ``engine``: those as which workers sign in, such as ``service:flytepropeller``."""

    policy_file: str = ""
    """YAML file of roles that each admin applies when it starts; see docs/guide/access.md. Empty: none."""
    requests_per_second: float = Field(default=0, ge=0)
    """Requests that each admin serves of one caller per second, and twice as many at once; further ones are
    RESOURCE_EXHAUSTED. Workers have no limit; 0: nobody has."""
    audit_max_age: timedelta = Field(default=timedelta(days=365), ge=timedelta(days=1))
    """How long entries of the audit log are kept."""

    @property
    def required(self) -> bool:
        """Whether callers have to sign in."""
        sections = (self.server, self.api_keys, self.certificates)
        return bool(self.oidc.issuer or self.basic.password_file) or any(section.enabled for section in sections)
