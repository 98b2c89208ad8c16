"""Connecting through proxies."""

import asyncio
import socket

import pytest
import uvloop

from headframe.runtime.errors import ConfigError, DialError
from headframe.runtime.tunnel import Tunnel, open_through, parse_tunnel
from tests.fakes.tunnels import FakeTunnel

SCHEMES = ("socks5", "http")


def tunnel_to(fake: FakeTunnel, user: str = "", password: str = "") -> Tunnel:
    return Tunnel(
        scheme=fake.scheme, host="127.0.0.1", port=fake.port, user=user, password=password
    )


@pytest.mark.parametrize(
    ("url", "place", "scheme"),
    [
        ("socks5://127.0.0.1:9050", "127.0.0.1:9050", "socks5"),
        ("SOCKS5H://tor", "tor:1080", "socks5"),
        ("http://[::1]:3128/", "[::1]:3128", "http"),
        ("http://proxy", "proxy:8080", "http"),
    ],
)
def test_how_a_proxy_is_written(url: str, place: str, scheme: str) -> None:
    tunnel = parse_tunnel(url)
    assert (tunnel.place, tunnel.scheme) == (place, scheme)


def test_a_login_stands_in_the_url_and_in_no_repr() -> None:
    tunnel = parse_tunnel("socks5://me:p%40ss@h:1")
    assert (tunnel.user, tunnel.password) == ("me", "p@ss")
    assert "p@ss" not in repr(tunnel)


@pytest.mark.parametrize(
    "url",
    ["", "h:1", "ftp://h:1", "socks4://h", "http://", "http://h:99999", "http://h/x", "http://h:0"],
)
def test_what_is_no_proxy(url: str) -> None:
    with pytest.raises(ConfigError, match="write "):
        parse_tunnel(url)


def test_a_password_is_in_no_message() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_tunnel("ftp://me:hunter2@h")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_names_are_resolved_by_the_proxy(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        async with FakeTunnel(scheme, to_port=server.getsockname()[1]) as fake:
            with await open_through(tunnel_to(fake), "pool.onion", 3333) as sock:
                assert sock.gettimeout() == 0
    assert fake.asked == ["pool.onion:3333"]


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_proxy_that_wants_a_login(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        async with FakeTunnel(scheme, to_port=port, login=("me", "secret")) as fake:
            (await open_through(tunnel_to(fake, "me", "secret"), "pool.test", 1)).close()
            for login in (("me", "wrong"), ("", "")):
                with pytest.raises(DialError) as caught:
                    await open_through(tunnel_to(fake, *login), "pool.test", 1)
                assert "does not connect us to pool.test:1" in str(caught.value)
                assert "\n" not in str(caught.value)
    assert fake.asked == ["pool.test:1"]


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_proxy_that_cannot_reach_the_peer(scheme: str) -> None:
    async with FakeTunnel(scheme) as fake:
        with pytest.raises(DialError, match=r"does not connect us to \[2001:db8::1\]:1: "):
            await open_through(tunnel_to(fake), "2001:db8::1", 1)


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_proxy_that_is_not_there(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    tunnel = Tunnel(scheme=scheme, host="127.0.0.1", port=port)
    with pytest.raises(DialError, match=rf"the proxy 127.0.0.1:{port} cannot be reached"):
        await open_through(tunnel, "pool.test", 1)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_proxies_are_gone_through_on_uvloop_too(scheme: str) -> None:
    async def go() -> list[str]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            async with FakeTunnel(scheme, to_port=server.getsockname()[1]) as fake:
                (await open_through(tunnel_to(fake), "pool.test", 1)).close()
                return fake.asked

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(go()) == ["pool.test:1"]
