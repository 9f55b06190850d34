"""Settings of certificates with which clients sign in."""

from typing import Annotated

from cryptography.x509 import Name
from pydantic import AfterValidator, Field

from flytetemporal.config.part import Part

DNS, URI, EMAIL, SUBJECT = "dns", "uri", "email", "subject"
_NAMES = (DNS, URI, EMAIL, SUBJECT)
_PRINCIPALS = ("user", "service")


def subject_name(text: str) -> Name:
    """Return the subject of a text such as ``CN=worker,O=Example``. Raises ``ValueError`` if it is malformed."""
    try:
        return Name.from_rfc4514_string(text)
    except ValueError as e:
        raise ValueError(f"subject [{text}] is not written as CN=worker,O=Example") from e


def _checked(principals: dict[str, str]) -> dict[str, str]:
    for name, principal in principals.items():
        kind, _, value = name.partition(":")
        if kind not in _NAMES or not value:
            raise ValueError(f"[{name}] is no name of a certificate; write {', '.join(f'{one}:...' for one in _NAMES)}")
        if kind == SUBJECT:
            subject_name(value)
        kind, _, value = principal.partition(":")
        if kind not in _PRINCIPALS or not value:
            raise ValueError(f"[{principal}] is no principal; write user:NAME or service:NAME")
    return principals


class CertificateSettings(Part):
    """Certificates of clients, which TLS has verified (``admin.tls_client_ca``)."""

    enabled: bool = False
    """Whether it is on."""
    principals: Annotated[dict[str, str], AfterValidator(_checked)] = Field(default_factory=dict)
    """Whom certificates belong to, by their names: ``{"uri:spiffe://example.com/worker": "service:flytepropeller",
    "email:ada@example.com": "user:ada"}``. Names are those of the extension subjectAltName (``dns``, ``uri``,
    ``email``) or the whole ``subject``, such as ``subject:CN=worker,O=Example``. They are compared as a whole; ``*``
    stands for itself."""
