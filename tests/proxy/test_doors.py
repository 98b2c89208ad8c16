import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest

from headframe.chain.share import Reason
from headframe.runtime.certificate import certificate_until
from headframe.runtime.errors import ConfigError, DialError
from headframe.runtime.tls import certificate_der, certificate_fingerprint, client_context
from headframe.upstream.roster import make_source
from headframe.upstream.settings import UpstreamSettings
from proxy.doors import DoorFigures, Doors, limits_of
from proxy.tables import ListenerSettings
from tests.fakes.certificates import write_certificate
from tests.fakes.ports import free_port
from tests.fakes.proxying import Proxy, proxying, rig_settings
from tests.fakes.rig import RawRig, Rig, connected


def settings(name: str, port: int = 0, most: int = 9) -> ListenerSettings:
    return ListenerSettings(name=name, port=port, max_connections=most, max_per_address=2)


async def put(doors: Doors, *wanted: ListenerSettings) -> list[str]:
    rigs = {(each.label, "default"): rig_settings() for each in wanted}
    return (await doors.prepare(wanted, rigs))()


async def opened(proxy: Proxy, *wanted: ListenerSettings) -> Doors:
    doors = Doors(proxy.routing)
    await put(doors, *wanted)
    return doors


async def test_listeners_are_opened_and_closed():
    async with proxying() as proxy:
        proxy.publish()
        doors = await opened(proxy, settings("one"), settings("two"))
        ports = {each.name: each.port for each in doors.listeners}
        async with connected(ports["one"], "a") as [stays], connected(ports["two"], "b") as [goes]:
            await stays.job()
            await goes.job()
            words = await put(doors, settings("one"), settings("three"))
            assert words == ["listener three opened", "listener two closed"]
            await goes.closed()
            assert not stays.lost
            assert [each.name for each in doors.listeners] == ["one", "three"]
            assert doors.listeners[0].port == ports["one"]
            with pytest.raises(DialError, match="refused the connection"):
                async with connected(ports["two"], "c"):
                    pass
            await doors.close()
            await stays.closed()
        assert proxy.routing.stats.connections_closed["listener_closed"] == 1


async def test_names_and_limits_change_in_place():
    async with proxying() as proxy:
        proxy.publish()
        port = free_port()
        doors = await opened(proxy, settings("one", port))
        async with connected(port, "a") as [rig]:
            await rig.job()
            assert await put(doors, settings("other", port, most=1)) == []
            [listener] = doors.listeners
            assert (listener.name, listener.limits.connections) == ("other", 1)
            async with connected(port, "b") as [late]:
                await late.closed()
            assert not rig.lost
        await doors.close()


async def test_a_place_that_is_taken_changes_nothing():
    async with proxying() as proxy:
        doors = await opened(proxy, settings("one"))
        free = free_port()
        with pytest.raises(ConfigError, match=f"127.0.0.1:{proxy.port} is in use"):
            await put(doors, settings("free", free), settings("taken", proxy.port))
        assert [each.name for each in doors.listeners] == ["one"]
        await put(doors, settings("one"), settings("free", free))  # it was closed again
        await doors.close()


async def test_rigs_come_over_tls_and_the_certificate_may_change(tmp_path: Path):
    port = free_port()
    async with proxying() as proxy:
        proxy.publish()
        doors = Doors(proxy.routing)
        for name in ("one", "two"):
            chain, key = write_certificate(tmp_path, name)
            told = ListenerSettings(name="front", port=port, certificate=chain, certificate_key=key)
            assert await put(doors, told) == ["listener front opened"] * (name == "one")
            tls = client_context(fingerprint=certificate_fingerprint(chain))
            rig = await Rig("rig").connect(port, tls=tls)
            assert (await rig.say(rig.find(await rig.job()))).reason is Reason.ACCEPTED
            figures = doors.rows.read()["front"]
            assert isinstance(figures, DoorFigures)
            ends = certificate_until(certificate_der(chain))
            assert figures == DoorFigures(
                listener_connections=1, listener_certificate_expiry_timestamp=ends
            )
            rig.wire.close()
            await rig.closed()
        with pytest.raises(ConfigError, match="TLS cannot begin or end on a port in use"):
            await put(doors, ListenerSettings(name="front", port=port))
        await doors.close()


async def test_our_own_miners_connection_comes_over_tls(tmp_path: Path):
    """As `headframe mine --url stratum+ssl://...` makes it, with the pinned fingerprint."""
    chain, key = write_certificate(tmp_path)
    async with proxying() as proxy, asyncio.timeout(20), asyncio.TaskGroup() as group:
        proxy.publish()
        doors = await opened(
            proxy, ListenerSettings(name="x", port=0, certificate=chain, certificate_key=key)
        )
        upstream = UpstreamSettings(
            url=f"stratum+ssl://127.0.0.1:{doors.listeners[0].port}",
            user="miner",
            fingerprint=certificate_fingerprint(chain),
        )
        source = make_source([upstream], ids=itertools.count(1), journal=tmp_path / "journal")
        task = group.create_task(source.run())
        async for job in source.jobs:
            if job is not None:
                break
        [(_, session)] = proxy.routing.sessions()
        assert session.user == "miner"
        task.cancel()
        await doors.close()


async def test_rigs_come_through_a_balancer_and_are_known_by_their_own_address():
    async with proxying() as proxy:
        proxy.publish()
        behind = ListenerSettings(proxy_protocol=True, proxy_from=("127.0.0.1",), port=0)
        doors = await opened(proxy, behind)
        proxy.routing.bans.add("192.0.2.66", now=0.0, why="test")
        [listener] = doors.listeners
        async with RawRig.to(listener.port) as raw:
            raw.raw(b"PROXY TCP4 192.0.2.7 192.0.2.1 50000 3333\r")
            await raw.join()
            [(_, session)] = proxy.routing.sessions()
            assert session.address == "192.0.2.7:50000"
            assert session.figures(0.0)[0]["address"] == "192.0.2.7:50000"
        for header in (b"PROXY TCP4 192.0.2.66 192.0.2.1 1 3333\r", b"{}"):
            async with RawRig.to(listener.port) as raw:
                raw.raw(header)
                assert await raw.line() == {}
        refused = proxy.routing.stats.connections_refused
        assert (refused["banned"], refused["no_header"]) == (1, 1)
        await doors.close()


def test_limits_are_made_of_settings():
    limits = limits_of(settings("x", most=3))
    assert (limits.connections, limits.per_address) == (3, 2)


async def test_tls_of_rigs_may_come_through_a_balancer(tmp_path: Path):
    chain, key = write_certificate(tmp_path)
    tls: dict[str, Any] = {"certificate": chain, "certificate_key": key}
    behind: dict[str, Any] = {"proxy_protocol": True, "proxy_from": ("127.0.0.1",)}
    async with proxying() as proxy:
        proxy.publish()
        plain, both = (
            ListenerSettings(name="plain", port=0, **tls),
            ListenerSettings(name="both", port=0, **tls, **behind),
        )
        doors = await opened(proxy, plain, both)
        port = doors.listeners[1].port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"PROXY TCP4 192.0.2.7 192.0.2.1 50000 3333\r\n")
        context = client_context(fingerprint=certificate_fingerprint(chain))
        await writer.start_tls(context, server_hostname="127.0.0.1", ssl_handshake_timeout=20)
        raw = RawRig(reader, writer)
        await raw.join("farm.1")
        [(_, session)] = proxy.routing.sessions()
        assert (session.address, session.door.name) == ("192.0.2.7:50000", "both")
        for one, other in ((plain, {**tls, **behind}), (both, tls)):
            changed = ListenerSettings(name=one.name, port=0, **other)
            with pytest.raises(ConfigError, match="PROXY headers before TLS cannot begin or end"):
                await put(doors, changed)
        writer.transport.abort()
        await doors.close()
