"""Whom a certificate belongs to: by its subject and by each kind of name that it can have."""

import functools
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from flytetemporal.auth.authentication import Presented
from flytetemporal.auth.certificates import CertificateAuthenticator
from flytetemporal.auth.identity import Credential, Kind
from flytetemporal.config.certificates import CertificateSettings
from flytetemporal.errors import Unauthenticated

SPIFFE = x509.UniformResourceIdentifier("spiffe://example.com/worker")
SUBJECT = "CN=worker,O=Example"


@functools.cache
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def certificate(*names: x509.GeneralName, subject: str = SUBJECT, days: int = 1) -> bytes:
    """Return a certificate, which TLS is taken to have verified."""
    name, now = x509.Name.from_rfc4514_string(subject), datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(name, name, key().public_key(), 0xABC)
        .not_valid_before(now - timedelta(days=10))
        .not_valid_after(now + timedelta(days=days))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key(), hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def authenticator(**principals: str) -> CertificateAuthenticator:
    return CertificateAuthenticator(CertificateSettings(enabled=True, principals=principals).principals)


async def refusal(asked: CertificateAuthenticator, der: bytes) -> str:
    with pytest.raises(Unauthenticated) as raised:
        await asked.authenticate(Presented(certificate=der))
    return raised.value.message


@pytest.mark.parametrize(
    ("name", "der"),
    [
        ("uri:spiffe://example.com/worker", certificate(SPIFFE)),
        ("dns:Worker.example.com", certificate(x509.DNSName("other"), x509.DNSName("worker.Example.com"))),
        ("email:ada@example.com", certificate(x509.RFC822Name("ada@EXAMPLE.com"))),
        ("subject:CN=worker,O=Example", certificate()),
    ],
)
async def test_each_kind_of_name_leads_to_a_principal(name: str, der: bytes) -> None:
    found = await authenticator(**{name: "service:propeller"}).authenticate(Presented(certificate=der))

    assert found is not None
    assert (found.subject, found.kind) == ("propeller", Kind.SERVICE)
    assert (found.credential, found.credential_id) == (Credential.CERTIFICATE, "abc")
    assert found.expires_at is not None


async def test_a_certificate_can_be_that_of_a_user() -> None:
    asked = authenticator(**{"email:ada@example.com": "user:ada"})

    found = await asked.authenticate(Presented(certificate=certificate(x509.RFC822Name("ada@example.com"))))

    assert found is not None
    assert (found.subject, found.kind) == ("ada", Kind.USER)


@pytest.mark.parametrize(
    "name",
    [
        "uri:spiffe://example.com/work",
        "uri:spiffe://example.com/*",
        "dns:spiffe://example.com/worker",
        "email:spiffe://example.com/worker",
        "subject:CN=worker",
        "subject:O=Example,CN=worker",
        "dns:worker",
    ],
)
async def test_names_are_compared_as_a_whole_and_with_their_kind(name: str) -> None:
    told = await refusal(authenticator(**{name: "service:propeller"}), certificate(SPIFFE))

    assert f"no name of the certificate [{SUBJECT}] leads to a principal" in told


async def test_names_that_lead_to_two_principals_lead_nowhere() -> None:
    two = {"uri:spiffe://example.com/worker": "service:propeller", f"subject:{SUBJECT}": "user:ada"}

    assert "lead to 2 principals" in await refusal(authenticator(**two), certificate(SPIFFE))

    same = dict.fromkeys(two, "service:propeller")
    assert await authenticator(**same).authenticate(Presented(certificate=certificate(SPIFFE))) is not None


async def test_a_certificate_that_has_expired_is_refused_each_time() -> None:
    """TLS looks at it once, when the connection is opened."""
    asked = authenticator(**{f"subject:{SUBJECT}": "service:propeller"})
    der = certificate(days=-1)

    for _ in range(2):
        assert "has expired" in await refusal(asked, der)


async def test_what_is_no_certificate_is_refused() -> None:
    assert "cannot be read" in await refusal(authenticator(), b"x" * 100)


async def test_without_a_certificate_or_with_another_credential_others_decide() -> None:
    asked = authenticator(**{f"subject:{SUBJECT}": "service:propeller"})

    assert await asked.authenticate(Presented()) is None
    assert await asked.authenticate(Presented("Bearer x", certificate=certificate())) is None


@pytest.mark.parametrize(
    ("name", "principal", "text"),
    [
        ("worker", "service:w", "is no name of a certificate"),
        ("ip:10.0.0.1", "service:w", "is no name of a certificate"),
        ("dns:", "service:w", "is no name of a certificate"),
        ("subject:worker", "service:w", "is not written as CN=worker"),
        ("dns:worker", "worker", "is no principal"),
        ("dns:worker", "group:workers", "is no principal"),
        ("dns:worker", "service:", "is no principal"),
    ],
)
def test_settings_that_name_nothing_are_refused(name: str, principal: str, text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        CertificateSettings(principals={name: principal})
