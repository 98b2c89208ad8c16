"""When certificates end, by their bytes; openssl says what is right."""

import shutil
import ssl
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from headframe.runtime.certificate import CertificateError, certificate_until


def der_of(until: datetime) -> bytes:
    pem = trustme.CA().issue_cert("127.0.0.1", not_after=until).cert_chain_pems[0]
    return ssl.PEM_cert_to_DER_cert(pem.bytes().decode())


@pytest.mark.parametrize(
    "until",
    [
        datetime(2037, 5, 6, 7, 8, 9, tzinfo=UTC),
        datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC),  # the last that is written as UTCTime
        datetime(2050, 1, 1, tzinfo=UTC),
        datetime(2999, 2, 28, tzinfo=UTC),
        datetime(2001, 1, 1, tzinfo=UTC),
    ],
)
def test_it_ends_when_its_issuer_says(until: datetime) -> None:
    assert certificate_until(der_of(until)) == until.timestamp()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")
def test_openssl_agrees(tmp_path: Path) -> None:
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 4000"
    done = subprocess.run(
        [*make.split(), "-subj", "/CN=x", "-keyout", "key.pem", "-out", "one.pem"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    said = subprocess.run(
        ["openssl", "x509", "-noout", "-enddate", "-in", "one.pem"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    ).stdout.decode()
    der = ssl.PEM_cert_to_DER_cert((tmp_path / "one.pem").read_text())
    assert certificate_until(der) == ssl.cert_time_to_seconds(said.strip().partition("=")[2])


def test_what_is_no_certificate_is_an_error_of_its_own() -> None:
    whole = der_of(datetime(2037, 1, 1, tzinfo=UTC))
    for broken in (b"", b"0", b"\x31\x00", b"0\x820", whole[:-1], whole[:4] + b"\x00" * 400):
        with pytest.raises(CertificateError):
            certificate_until(broken)


def test_a_time_of_another_kind_is_an_error() -> None:
    whole = der_of(datetime(2037, 1, 1, tzinfo=UTC))
    with pytest.raises(CertificateError):
        certificate_until(whole.replace(b"\x17\r370101", b"\x13\r370101"))


def test_a_year_of_two_digits_may_be_of_the_last_century() -> None:
    whole = der_of(datetime(2037, 1, 1, tzinfo=UTC))
    old = whole.replace(b"\x17\r370101", b"\x17\r990101")
    assert certificate_until(old) == datetime(1999, 1, 1, tzinfo=UTC).timestamp()


def test_the_first_version_of_certificates_has_no_number_of_it() -> None:
    def element(tag: int, content: bytes) -> bytes:
        return bytes([tag, len(content)]) + content

    times = element(0x17, b"200101000000Z") + element(0x18, b"20510203040506Z")
    fields = [element(0x02, b"\x01"), element(0x30, b""), element(0x30, b""), element(0x30, times)]
    whole = element(0x30, element(0x30, b"".join(fields)))
    assert certificate_until(whole) == datetime(2051, 2, 3, 4, 5, 6, tzinfo=UTC).timestamp()
