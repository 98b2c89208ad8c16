"""What a client trusts and a server shows: real handshakes on loopback, on both event loops."""

import asyncio
import datetime
import hashlib
import shutil
import ssl
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import trustme
import uvloop

from headframe.runtime.errors import ConfigError, DialError
from headframe.runtime.tls import (
    HOW_TO_MAKE_ONE,
    certificate_fingerprint,
    client_context,
    parse_fingerprint,
    server_context,
)
from headframe.runtime.wire import Wire, dial, listen

LOOPS = [asyncio.SelectorEventLoop, uvloop.new_event_loop]
LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


class Secretive:
    """A core that says its secret first, and keeps what it hears."""

    def __init__(self, secret: bytes = b"") -> None:
        self.secret = secret
        self.heard = b""

    def receive_data(self, data: bytes) -> Sequence[bytes]:
        self.heard += data
        return [data]

    def receive_eof(self) -> Sequence[bytes]:
        return []

    def data_to_send(self) -> bytes:
        secret, self.secret = self.secret, b""
        return secret


def fingerprint_of(certificate: trustme.LeafCert) -> str:
    pem = certificate.cert_chain_pems[0].bytes().decode()
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


async def shake_hands(server: trustme.LeafCert, client: ssl.SSLContext) -> bytes:
    """Connect to a server with this certificate; return what it heard."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.configure_cert(context)
    there = Secretive()
    heard = asyncio.Event()
    wire_there: Wire[bytes] = Wire(there, lambda _events: heard.set(), on_lost=lambda error: None)
    listening = await listen("127.0.0.1", 0, lambda: wire_there, tls=context)
    port = listening.sockets[0].getsockname()[1]
    here: Wire[bytes] = Wire(
        Secretive(b"password"), lambda _events: None, on_lost=lambda error: None
    )
    try:
        wire = await dial("127.0.0.1", port, lambda: here, tls=client)
        async with asyncio.timeout(20):
            await heard.wait()
        wire.abort()
        await wire.wait_closed()
    finally:
        listening.close()
        assert there.heard in {b"", b"password"}
    return there.heard


def run(loop: Callable[[], asyncio.AbstractEventLoop], *args: object) -> bytes:
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(shake_hands(*args))  # type: ignore[arg-type]


def refusal(loop: Callable[[], asyncio.AbstractEventLoop], *args: object) -> str:
    with pytest.raises(DialError) as caught:
        run(loop, *args)
    assert "certificate that is not trusted" in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.mark.parametrize("loop", LOOPS)
def test_an_authority_of_ones_own_is_trusted_and_by_default_it_is_not(
    authority: trustme.CA, ca_file: str, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    good = authority.issue_cert("127.0.0.1")
    assert run(loop, good, client_context(ca_file=ca_file)) == b"password"
    refusal(loop, good, client_context())
    refusal(loop, trustme.CA().issue_cert("127.0.0.1"), client_context(ca_file=ca_file))


@pytest.mark.parametrize("loop", LOOPS)
def test_a_certificate_of_another_host_or_of_yesterday_is_not_trusted(
    authority: trustme.CA, ca_file: str, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    context = client_context(ca_file=ca_file)
    assert "IP address mismatch" in refusal(loop, authority.issue_cert("127.0.0.2"), context)
    old = authority.issue_cert(
        "127.0.0.1", not_before=LONG_AGO, not_after=LONG_AGO + datetime.timedelta(days=1)
    )
    assert "expired" in refusal(loop, old, context)


@pytest.mark.parametrize("loop", LOOPS)
def test_one_certificate_may_be_pinned_whoever_made_it(
    authority: trustme.CA, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    stranger = trustme.CA().issue_cert("some.other.host")
    pinned = client_context(fingerprint=fingerprint_of(stranger))
    assert run(loop, stranger, pinned) == b"password"
    assert "another one is configured" in refusal(loop, authority.issue_cert("127.0.0.1"), pinned)


@pytest.mark.parametrize("loop", LOOPS)
def test_with_pin_and_authority_both_must_fit(
    authority: trustme.CA, ca_file: str, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    good, other = authority.issue_cert("127.0.0.1"), trustme.CA().issue_cert("127.0.0.1")
    both = client_context(ca_file=ca_file, fingerprint=fingerprint_of(good))
    assert run(loop, good, both) == b"password"
    wrong = client_context(ca_file=ca_file, fingerprint=fingerprint_of(other))
    refusal(loop, good, wrong)
    refusal(loop, other, wrong)


def test_old_protocols_are_off_and_the_system_is_trusted_by_default() -> None:
    context = client_context()
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize("text", ["AB:" * 31 + "AB", " ab" * 32, "sha256:" + "aB" * 32])
def test_fingerprints_as_tools_write_them(text: str) -> None:
    assert parse_fingerprint(text) == b"\xab" * 32


@pytest.mark.parametrize("text", ["ab" * 31, "ab" * 20, "xy" * 32, "-"])
def test_what_is_no_fingerprint(text: str) -> None:
    with pytest.raises(ConfigError, match="no SHA-256"):
        client_context(fingerprint=text)


def test_authorities_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        client_context(ca_file=str(tmp_path / "none.pem"))
    (tmp_path / "junk.pem").write_text("junk")
    with pytest.raises(ConfigError, match="holds no certificate"):
        client_context(ca_file=str(tmp_path / "junk.pem"))


def files_of(certificate: trustme.LeafCert, folder: Path) -> tuple[str, str]:
    chain, key = folder / "certificate.pem", folder / "key.pem"
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(chain, append=True)
    certificate.private_key_pem.write_to_path(key)
    return str(chain), str(key)


def test_a_server_shows_its_certificate_and_tells_its_fingerprint(tmp_path: Path) -> None:
    chain, key = files_of(trustme.CA().issue_cert("127.0.0.1"), tmp_path)
    fingerprint = certificate_fingerprint(chain)

    async def main() -> None:
        there, heard = Secretive(), asyncio.Event()
        wire: Wire[bytes] = Wire(there, lambda _events: heard.set(), on_lost=lambda error: None)
        context = server_context(chain, key)
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        listening = await listen("127.0.0.1", 0, lambda: wire, tls=context)
        port = listening.sockets[0].getsockname()[1]
        here: Wire[bytes] = Wire(
            Secretive(b"hello"), lambda _events: None, on_lost=lambda error: None
        )
        async with asyncio.timeout(20):
            await dial("127.0.0.1", port, lambda: here, tls=client_context(fingerprint=fingerprint))
            await heard.wait()
            here.close()
            await wire.wait_closed()
        listening.close()
        assert there.heard == b"hello"

    asyncio.run(main())


def test_a_certificate_is_made_with_the_line_that_we_name(tmp_path: Path) -> None:
    words = HOW_TO_MAKE_ONE.split()
    if shutil.which(words[0]) is None:
        pytest.skip("openssl is not installed")
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    server_context(str(tmp_path / "certificate.pem"), str(tmp_path / "key.pem"))
    shown = subprocess.run(
        ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", "certificate.pem"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    ours = certificate_fingerprint(str(tmp_path / "certificate.pem"))
    assert parse_fingerprint(shown.partition("=")[2]) == bytes.fromhex(ours)


@pytest.mark.parametrize("broken", ["missing", "rubbish", "other key", "folder"])
def test_certificates_that_cannot_be_shown_are_one_line(broken: str, tmp_path: Path) -> None:
    chain, key = files_of(trustme.CA().issue_cert("127.0.0.1"), tmp_path)
    if broken == "missing":
        key += ".not"
    elif broken == "rubbish":
        Path(chain).write_text("rubbish")
    elif broken == "folder":
        chain = str(tmp_path)
    else:
        trustme.CA().issue_cert("127.0.0.1").private_key_pem.write_to_path(key)
    with pytest.raises(ConfigError, match="openssl req -x509") as caught:
        server_context(chain, key)
    assert "\n" not in str(caught.value)


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_password(tmp_path: Path) -> None:
    chain, key = files_of(trustme.CA().issue_cert("127.0.0.1"), tmp_path)
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    subprocess.run(
        f"openssl pkey -aes256 -passout pass:secret -in {key} -out {key}.locked".split(),
        check=True,
        capture_output=True,
    )
    with pytest.raises(ConfigError, match="not encrypted"):
        server_context(chain, f"{key}.locked")
