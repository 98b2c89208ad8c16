import pytest
import structlog

from headframe.runtime.errors import PortInUseError
from headframe.stratum.core import ServerCore
from proxy.listener import PROTOCOLS, Limits, Listener
from tests.fakes.proxying import proxying
from tests.fakes.rig import RawRig, connected


@pytest.mark.parametrize("name", PROTOCOLS)
def test_each_protocol_makes_a_core(name: str):
    core: ServerCore = PROTOCOLS[name](0)
    assert core.data_to_send() == b""


async def test_a_port_in_use_is_told():
    async with proxying() as proxy:
        other = Listener(proxy.routing, "front")
        with pytest.raises(PortInUseError, match=f"127.0.0.1:{proxy.port} is in use"):
            await other.start("127.0.0.1", proxy.port)
        other.close("shutdown")
        await other.wait_closed()


@pytest.mark.parametrize(
    ("limits", "why"),
    [(Limits(connections=2), "full"), (Limits(per_address=2), "address_full")],
)
async def test_connections_above_a_limit_are_turned_away(limits: Limits, why: str):
    async with proxying(limits=limits) as proxy:
        proxy.publish()
        async with connected(proxy.port, "a", "b") as rigs:
            for rig in rigs:
                await rig.job()
            async with RawRig.to(proxy.port) as third:
                with pytest.raises((ConnectionError, AssertionError)):
                    await third.join()
            assert proxy.hub.stats.connections_refused[why] == 1
            assert not any(rig.lost for rig in rigs)
        await proxy.until(lambda: proxy.listener.connections == 0)
        async with connected(proxy.port, "again") as [rig]:
            await rig.job()


async def test_an_address_full_of_faults_is_turned_away_for_a_while():
    async with proxying(limits=Limits(ban_seconds=0)) as proxy:
        address = "192.0.2.1"
        for _ in range(100):
            proxy.listener.admit(address)
            proxy.listener.release(address, faulty=True)
        assert proxy.listener.connections == 0
        assert "faults" in proxy.listener.admit(address)
        proxy.listener.release(address, faulty=False)
        assert proxy.listener.admit("192.0.2.2") == ""
        proxy.time.now += 60
        assert proxy.listener.admit(address) == ""


async def test_a_ban_because_of_faults_is_counted():
    async with proxying(limits=Limits(ban_seconds=60)) as proxy:
        for _ in range(10):
            proxy.listener.admit("192.0.2.1")
            proxy.listener.release("192.0.2.1", faulty=True)
        assert proxy.hub.stats.bans == {"faults": 1, "operator": 0}
        assert "banned" in proxy.listener.admit("192.0.2.1")
        assert proxy.hub.stats.connections_refused["banned"] == 1


async def test_addresses_that_owe_nothing_are_forgotten():
    async with proxying() as proxy:
        for n in range(5000):
            proxy.listener.admit(f"10.0.{n >> 8}.{n & 255}")
            proxy.listener.release(f"10.0.{n >> 8}.{n & 255}", faulty=False)
            proxy.time.now += 0.1
        assert len(proxy.listener._addresses) <= 4096


async def test_stopping_ends_the_sessions():
    async with proxying() as proxy, connected(proxy.port, "rig") as [rig]:
        proxy.publish()
        await rig.job()
        proxy.listener.close("shutdown")
        await proxy.listener.wait_closed()
        await rig.closed()
        assert proxy.hub.stats.connections_closed["shutdown"] == 1
        assert proxy.hub.stats.rigs == 0


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "speaks TLS to a port without it"),
        (b"GET / HTTP/1.1\r\nHost: farm\r\n\r\n", "speaks HTTP, not Stratum"),
    ],
)
async def test_what_is_no_rig_is_cut_off_and_told_once_a_minute(data: bytes, what: str):
    async with proxying(limits=Limits(ban_seconds=0)) as proxy:
        with structlog.testing.capture_logs() as lines:
            for seconds in (0, 1, 1, 60):
                proxy.time.now += seconds
                async with RawRig.to(proxy.port) as stranger:
                    stranger.raw(data)
                    assert await stranger.line() == {}, "it is answered nothing"
                await proxy.until(lambda: proxy.listener.connections == 0)
        told = [line for line in lines if line["event"] == "rig_fault"]
        assert [line["log_level"] for line in told] == ["warning", "debug", "debug", "warning"]
        assert all(what in line["what"] for line in told)
        assert proxy.hub.stats.connections_closed["protocol_fault"] == 4
        assert proxy.hub.stats.offers == 0
