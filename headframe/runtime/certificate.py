"""When a certificate ends: read from its bytes, whoever issued it and whether or not it is trusted.

A certificate is a nest of elements in DER (X.690): a tag, a length, the content. What is looked
for stands in the first of them, `tbsCertificate`, behind an optional version, the serial number,
the algorithm and the issuer: `validity`, two times (RFC 5280, section 4.1).
"""

from datetime import UTC, datetime
from typing import Final

__all__ = ["CertificateError", "certificate_until"]

_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18
_BEFORE_VALIDITY: Final = 3
"""Serial number, algorithm, issuer."""


class CertificateError(ValueError):
    """The bytes are no certificate."""


def certificate_until(certificate: bytes) -> float:
    """Return when a certificate ends, in seconds since 1970.

    Args:
        certificate: in DER.

    Raises:
        CertificateError: it is none.
    """
    try:
        whole, _ = _open(certificate, _SEQUENCE)
        body, _ = _open(whole, _SEQUENCE)
        if body[0] == _VERSION:
            body = _skip(body)
        for _ in range(_BEFORE_VALIDITY):
            body = _skip(body)
        validity, _ = _open(body, _SEQUENCE)
        return _time(_skip(validity))
    except (IndexError, ValueError) as error:
        raise CertificateError(f"no certificate: {error}") from error


def _split(data: bytes) -> tuple[int, bytes, bytes]:
    """Take the first element: its tag, its content, and what is behind it."""
    tag, length, start = data[0], data[1], 2
    if length & 0x80:  # so many bytes of length follow
        start += length & 0x7F
        length = int.from_bytes(data[2:start], "big")
    end = start + length
    if end > len(data):
        raise ValueError("it ends too soon")
    return tag, data[start:end], data[end:]


def _open(data: bytes, wanted: int) -> tuple[bytes, bytes]:
    tag, content, rest = _split(data)
    if tag != wanted:
        raise ValueError(f"element {tag:#x} where {wanted:#x} belongs")
    return content, rest


def _skip(data: bytes) -> bytes:
    return _split(data)[2]


def _time(data: bytes) -> float:
    tag, content, _ = _split(data)
    text = content.decode("ascii")
    if tag == _UTC_TIME:  # two digits of a year: 50 and up are those of the last century
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError(f"element {tag:#x} where a time belongs")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
