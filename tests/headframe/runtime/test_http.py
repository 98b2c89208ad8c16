"""What aiohttp brings along when we import it, and whom its sessions trust then."""

import asyncio
import os
import ssl
import subprocess
import sys
from pathlib import Path

import trustme

from headframe.runtime.http import aiohttp, trust, web

CLIENT = """
import asyncio, os, sys
before = dict(os.environ)
from headframe.runtime.http import aiohttp, trust
assert dict(os.environ) == before

async def ask(url, ssl):
    async with aiohttp.ClientSession() as session:
        try:
            async with session.get(url, ssl=ssl) as answer:
                print(answer.status)
        except aiohttp.ClientConnectorCertificateError:
            print("not trusted")

async def main(url):
    await ask(url, True)
    await ask(url, await trust())

asyncio.run(main(sys.argv[1]))
"""
"""Asks as a process does that imports aiohttp for the first time, with and without `trust`."""


async def _told_by_a_client_that_trusts(file: Path, url: str) -> list[str]:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", CLIENT, url],
        env=os.environ | {"SSL_CERT_FILE": str(file), "SSL_CERT_DIR": str(file.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


async def test_a_session_trusts_nobody_by_itself_and_the_system_when_told(tmp_path):
    authority, other = trustme.CA(), trustme.CA()
    for name, each in (("right", authority), ("wrong", other)):
        (tmp_path / name).mkdir()
        each.cert_pem.write_to_path(tmp_path / name / "ca.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    runner = web.AppRunner(web.Application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        right = await _told_by_a_client_that_trusts(tmp_path / "right" / "ca.pem", url)
        wrong = await _told_by_a_client_that_trusts(tmp_path / "wrong" / "ca.pem", url)
    finally:
        await runner.cleanup()
    assert right == ["not trusted", "404"]
    assert wrong == ["not trusted", "not trusted"]


async def test_trust_checks_the_name_and_wants_a_certificate():
    context = await trust()
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)


def test_a_process_that_serves_a_page_has_no_second_runtime_for_lists():
    code = (
        "import sys, headframe.runtime.web; assert 'frozenlist._frozenlist' not in sys.modules; "
        "assert 'aiohttp.web' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


async def test_its_lists_are_as_good_as_the_compiled_ones():
    heard = []

    async def hear(app: web.Application) -> None:
        heard.append(app)

    app = web.Application()
    app.on_startup.append(hear)
    runner = web.AppRunner(app)
    await runner.setup()
    await runner.cleanup()
    assert heard == [app]
    assert app.on_startup.frozen
    assert aiohttp.web is web
