"""TLS: what a client trusts, and what a server shows.

Without settings a client trusts the system's authorities and checks the host's name. With
a fingerprint it trusts one certificate and nothing else; that is for the self-signed ones
that pools on a private network have.
"""

import hashlib
import re
import ssl
from pathlib import Path
from typing import Final

from headframe.runtime.errors import ConfigError

__all__ = [
    "HOW_TO_MAKE_ONE",
    "PinnedContext",
    "certificate_der",
    "certificate_fingerprint",
    "client_context",
    "parse_fingerprint",
    "server_context",
]

HOW_TO_MAKE_ONE: Final = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 "
    "-subj /CN=headframe -keyout key.pem -out certificate.pem"
)
"""Makes a certificate of one's own, to be pinned by its fingerprint."""

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")


def client_context(*, ca_file: str = "", fingerprint: str = "") -> ssl.SSLContext:
    """Make the context of a client; TLS 1.2 at least.

    Args:
        ca_file: certificates of the authorities to trust instead of the system's, PEM.
        fingerprint: SHA-256 of the server's certificate, in hex, colons allowed: then
            neither authority nor name counts, but if `ca_file` is given the authority does.

    Raises:
        ConfigError: the file cannot be read, or the fingerprint is none.
    """
    context: ssl.SSLContext
    if fingerprint:
        context = PinnedContext(ssl.PROTOCOL_TLS_CLIENT)
        context.fingerprint = parse_fingerprint(fingerprint)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED if ca_file else ssl.CERT_NONE
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file:
        _trust(context, ca_file)
    elif not fingerprint:
        context.load_default_certs()
    return context


def server_context(certificate: str, key: str) -> ssl.SSLContext:
    """Make the context of a server; TLS 1.2 at least.

    Args:
        certificate: a file with its certificate, and those between it and an authority, PEM.
        key: a file with its private key, not encrypted, PEM.

    Raises:
        ConfigError: the files cannot be used; says why, and how to make some.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for name in (certificate, key):
        if not Path(name).expanduser().is_file():
            raise ConfigError(f"{name}: no such file; one's own is made by: {HOW_TO_MAKE_ONE}")
    try:
        context.load_cert_chain(
            Path(certificate).expanduser(), Path(key).expanduser(), password=lambda: ""
        )
    except ssl.SSLError as error:
        raise ConfigError(
            f"{certificate} and {key} are no certificate and its key, in PEM and not encrypted "
            f"({error.reason or 'unreadable'}); one's own is made by: {HOW_TO_MAKE_ONE}"
        ) from None
    except OSError as error:
        raise ConfigError(f"{certificate} or {key} cannot be read: {error.strerror}") from None
    return context


def certificate_fingerprint(certificate: str) -> str:
    """Return the SHA-256 of a server's own certificate, for clients that pin it.

    Args:
        certificate: a file that `server_context` took.
    """
    return hashlib.sha256(certificate_der(certificate)).hexdigest()


def certificate_der(certificate: str) -> bytes:
    """Return a server's own certificate in DER: the first of its file.

    Args:
        certificate: a file that `server_context` took.
    """
    text = Path(certificate).expanduser().read_text()
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    first = begin + text.partition(begin)[2].partition(end)[0] + end
    return ssl.PEM_cert_to_DER_cert(first)


def parse_fingerprint(text: str) -> bytes:
    """Read a SHA-256 fingerprint as openssl writes it: 64 hex digits, colons and case as it likes.

    Raises:
        ConfigError: it is none.
    """
    digits = text.strip().lower().removeprefix("sha256:").replace(":", "").replace(" ", "")
    if not _FINGERPRINT.fullmatch(digits):
        raise ConfigError(
            f"fingerprint {text!r} is no SHA-256 in hex (64 digits): take it from "
            "openssl x509 -noout -fingerprint -sha256"
        )
    return bytes.fromhex(digits)


def _trust(context: ssl.SSLContext, ca_file: str) -> None:
    try:
        context.load_verify_locations(Path(ca_file).expanduser())
    except ssl.SSLError:
        raise ConfigError(f"ca_file {ca_file} holds no certificate: it must be PEM") from None
    except OSError as error:
        raise ConfigError(f"ca_file {ca_file} cannot be read: {error.strerror}") from None


class _PinnedObject(ssl.SSLObject):
    """Ends its handshake with a look at the certificate, before a byte is sent."""

    def do_handshake(self) -> None:
        super().do_handshake()
        context = self.context
        assert isinstance(context, PinnedContext)  # noqa: S101 # who else would make one
        context.check(self.getpeercert(binary_form=True) or b"")


class PinnedContext(ssl.SSLContext):
    """A context that takes one certificate alone.

    Attributes:
        fingerprint: SHA-256 of the certificate (DER), 32 bytes.
    """

    fingerprint: bytes = b""
    sslobject_class = _PinnedObject

    def check(self, certificate: bytes) -> None:
        """Compare a certificate, in DER.

        Raises:
            ssl.SSLCertVerificationError: it is another one.
        """
        found = hashlib.sha256(certificate).digest()
        if found != self.fingerprint:
            error = ssl.SSLCertVerificationError("the fingerprint is another one")
            error.verify_message = f"its SHA-256 is {found.hex()}, another one is configured"
            raise error
