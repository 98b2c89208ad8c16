"""TLS as a client: what is trusted, and how a certificate is pinned.

Without settings the system's authorities are trusted and the host's name is checked. With
a fingerprint one certificate is trusted and nothing else; that is for the self-signed
ones that pools on a private network have.
"""

import hashlib
import re
import ssl
from pathlib import Path
from typing import Final

from headframe.runtime.errors import ConfigError

__all__ = ["PinnedContext", "client_context", "parse_fingerprint"]

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
