"""Certificates of clients as credentials. TLS has verified them: here their names lead to principals."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from cachetools import LRUCache
from cryptography import x509

from flytetemporal.auth.identity import Credential, Identity, Kind
from flytetemporal.config.certificates import DNS, EMAIL, SUBJECT, URI, subject_name
from flytetemporal.errors import Unauthenticated
from flytetemporal.rpc.callers import Presented

ISSUER = "certificates"
# Certificates that were seen last; reading one takes some tenths of a millisecond.
_REMEMBERED = 1000

_Names = Mapping[tuple[str, str | x509.Name], tuple[Kind, str]]


class CertificateAuthenticator:
    """Knows the certificates of connections. Whoever sends another credential too is known by that one."""

    def __init__(self, principals: Mapping[str, str]) -> None:
        """``principals`` are those of ``CertificateSettings``."""
        self._principals = _parsed(principals)
        self._read: LRUCache[bytes, Identity] = LRUCache(_REMEMBERED)

    async def authenticate(self, presented: Presented) -> Identity | None:
        """Return the principal of the certificate; None without one, or if another credential was presented.

        Raises:
            Unauthenticated: the certificate has expired while its connection was open, or its names lead to no
                principal, or to several.
        """
        if presented.certificate is None or presented.authorization:
            return None
        found = self._read.get(presented.certificate)
        if found is None:
            found = self._read[presented.certificate] = self._identity(presented.certificate)
        if found.expires_at is not None and found.expires_at <= datetime.now(UTC):
            raise Unauthenticated("the certificate of this connection has expired; connect again with a new one")
        return found

    def _identity(self, der: bytes) -> Identity:
        try:
            certificate = x509.load_der_x509_certificate(der)
            names = list(_names(certificate))
        except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as e:
            raise Unauthenticated("the certificate of this connection cannot be read") from e
        principals = {self._principals[name] for name in names if name in self._principals}
        if len(principals) != 1:
            raise Unauthenticated(_problem(certificate, len(principals)))
        kind, subject = principals.pop()
        return Identity(
            subject=subject,
            issuer=ISSUER,
            kind=kind,
            credential=Credential.CERTIFICATE,
            credential_id=f"{certificate.serial_number:x}",
            expires_at=certificate.not_valid_after_utc,
        )


def _parsed(principals: Mapping[str, str]) -> _Names:
    found: dict[tuple[str, str | x509.Name], tuple[Kind, str]] = {}
    for text, principal in principals.items():
        kind, _, name = text.partition(":")
        kind_of_principal, _, subject = principal.partition(":")
        key = subject_name(name) if kind == SUBJECT else _folded(kind, name)
        found[kind, key] = Kind(kind_of_principal), subject
    return found


def _names(certificate: x509.Certificate) -> Iterator[tuple[str, str | x509.Name]]:
    yield SUBJECT, certificate.subject
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    for kind, type_ in ((DNS, x509.DNSName), (URI, x509.UniformResourceIdentifier), (EMAIL, x509.RFC822Name)):
        for value in extension.get_values_for_type(type_):
            yield kind, _folded(kind, value)


def _folded(kind: str, name: str) -> str:
    """Return a name in lower case, as far as its case does not count."""
    if kind == DNS:
        return name.lower()
    if kind == EMAIL:
        user, at, host = name.rpartition("@")
        return user + at + host.lower()
    return name


def _problem(certificate: x509.Certificate, principals: int) -> str:
    subject = certificate.subject.rfc4514_string()[:200]
    if principals:
        return f"the names of the certificate [{subject}] lead to {principals} principals, and must lead to one"
    return (
        f"no name of the certificate [{subject}] leads to a principal; an administrator can add one to "
        "FLYTETEMPORAL_AUTH__CERTIFICATES__PRINCIPALS"
    )
