import pytest

from headframe.runtime.web import Actions
from proxy.access import (
    BAN,
    KICK,
    UNBAN,
    BanAsked,
    BanRow,
    KickAsked,
    UnbanAsked,
    access_actions,
    bans_served,
    keep_out,
    list_bans,
)
from proxy.listener import Limits
from tests.fakes.proxying import proxying
from tests.fakes.rig import Rig, connected
from tests.fakes.webapi import TOKEN, operator, serving_rows


async def test_a_ban_ends_the_rigs_from_there_and_lets_none_in_until_it_is_over():
    async with proxying() as proxy, connected(proxy.port, "a", "b") as rigs:
        proxy.publish()
        for rig in rigs:
            await rig.job()
        actions = access_actions(proxy.routing)
        answer = await actions[BAN](BanAsked(address="127.0.0.0/8", seconds=60, why="test"))
        assert answer.error == ""
        assert answer.details["closed"] == 2
        for rig in rigs:
            await rig.closed()
        row = BanRow(address="127.0.0.0/8", why="test", seconds_left=60, in_settings=False)
        assert list_bans(proxy.routing).bans == (row,)
        late = await Rig("late").connect(proxy.port)
        await late.closed()
        assert proxy.hub.stats.connections_closed["banned"] == 2
        assert proxy.hub.stats.connections_refused["banned"] == 1
        assert proxy.hub.stats.bans == {"faults": 0, "operator": 1}
        proxy.time.now += 61
        assert list_bans(proxy.routing).bans == ()
        async with connected(proxy.port, "again") as [again]:
            await again.job()


async def test_a_ban_may_last_and_be_lifted():
    async with proxying() as proxy:
        actions = access_actions(proxy.routing)
        answer = await actions[BAN](BanAsked(address="192.0.2.7", seconds=None))
        assert answer.details["ban"] == BanRow(
            address="192.0.2.7", why="by the operator", seconds_left=None, in_settings=False
        )
        unban = UnbanAsked(address="192.0.2.7")
        assert (await actions[UNBAN](unban)).error == ""
        assert "is not banned" in (await actions[UNBAN](unban)).error


@pytest.mark.parametrize(
    ("name", "given", "error"),
    [
        ("ban", {}, "missing required field `address`"),
        ("ban", {"address": 5}, "address: expected `str`"),
        ("ban", {"address": "home"}, "does not appear"),
        ("ban", {"address": "192.0.2.1", "seconds": 0}, "seconds: expected `float` > 0"),
        ("ban", {"address": "192.0.2.1", "seconds": True}, "seconds: expected `float | null`"),
        ("ban", {"address": "192.0.2.1", "seconds": "60"}, "seconds: expected `float | null`"),
        ("ban", {"address": "192.0.2.1", "seconds": 1e300}, "seconds: expected `float` <= 1"),
        ("ban", {"address": "192.0.2.1", "minutes": 5}, "there is no field 'minutes'"),
        ("unban", {}, "missing required field `address`"),
        ("unban", {"address": ""}, "does not appear"),
        ("kick", {"user": 5}, "user: expected `str | null`"),
    ],
)
async def test_what_makes_no_sense_is_told(name: str, given: dict[str, object], error: str):
    async with proxying() as proxy:
        actions = Actions(access_actions(proxy.routing), TOKEN)
        async with serving_rows([bans_served(proxy.routing)], actions) as session:
            async with session.post(f"/api/v1/{name}", json=given, headers=operator) as answer:
                assert answer.status == 422
                assert error in (await answer.json())["error"]
            async with session.get("/api/v1/bans") as answer:
                assert await answer.json() == {"bans": []}


@pytest.mark.parametrize("by", ["user", "address", "host", "same address"])
async def test_rigs_are_kicked_and_may_come_again(by: str):
    async with proxying() as proxy, connected(proxy.port, "a", "b") as [first, second]:
        proxy.publish()
        await first.job()
        await second.job()
        session = next(each for _, each in proxy.routing.sessions() if each.user == "a")
        given = {
            "user": KickAsked(user="a"),
            "address": KickAsked(address=session.address),
            "host": KickAsked(address="127.0.0.1"),
            "same address": KickAsked(address="::ffff:127.0.0.1"),
        }[by]
        answer = await access_actions(proxy.routing)[KICK](given)
        hit = {"user": 1, "address": 1, "host": 2, "same address": 0}[by]
        assert answer.details == {"closed": hit}
        if hit:
            await first.closed()
        assert proxy.hub.stats.connections_closed["kicked"] == hit
        async with connected(proxy.port, "a") as [again]:
            await again.job()


@pytest.mark.parametrize("asked", [KickAsked(), KickAsked(user="a", address="127.0.0.1")])
async def test_whom_to_kick_must_be_said(asked: KickAsked):
    async with proxying() as proxy:
        assert "either" in (await access_actions(proxy.routing)[KICK](asked)).error


async def test_nobody_is_at_an_address_that_is_none():
    async with proxying() as proxy, connected(proxy.port, "a") as [rig]:
        proxy.publish()
        await rig.job()
        answer = await access_actions(proxy.routing)[KICK](KickAsked(address="home"))
        assert answer.details == {"closed": 0}


async def test_the_settings_bans_send_away_whom_they_name():
    async with proxying() as proxy, connected(proxy.port, "a") as [rig]:
        proxy.publish()
        await rig.job()
        assert not keep_out(proxy.routing, ())
        assert keep_out(proxy.routing, ("192.0.2.1",))
        assert not keep_out(proxy.routing, ("192.0.2.1/32",))
        assert not rig.lost
        assert keep_out(proxy.routing, ("127.0.0.1",))
        await rig.closed()
        assert [each.fixed for each in proxy.routing.bans.rows(0.0)] == [True]


async def test_an_address_with_nothing_but_faults_is_banned_for_a_while():
    async with proxying(limits=Limits(ban_seconds=100)) as proxy:
        for _ in range(10):
            assert proxy.listener.admit("192.0.2.7") == ""
            proxy.listener.release("192.0.2.7", faulty=True)
        assert "is banned: it broke the protocol" in proxy.listener.admit("192.0.2.7")
        proxy.listener.release("192.0.2.7", faulty=False)
        proxy.time.now += 101
        assert proxy.listener.admit("192.0.2.7") == ""


async def test_a_broken_rig_does_not_ban_the_others_of_its_address():
    async with proxying() as proxy:
        assert proxy.listener.admit("192.0.2.7") == ""
        for _ in range(30):
            assert proxy.listener.admit("192.0.2.7") == ""
            proxy.listener.release("192.0.2.7", faulty=True)
        assert list_bans(proxy.routing).bans == ()


async def test_faults_now_and_then_are_no_ban():
    async with proxying() as proxy:
        for _ in range(40):
            proxy.listener.admit("192.0.2.7")
            proxy.listener.release("192.0.2.7", faulty=True)
            proxy.time.now += 61
        assert list_bans(proxy.routing).bans == ()
