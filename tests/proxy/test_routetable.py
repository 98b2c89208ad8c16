import re

from headframe.upstream.blocks import BlockStats
from proxy.page import Page
from proxy.routes import Rule
from proxy.routetable import extranonce_of, has_work, route_figures, routes_of, summed
from proxy.stats import Stats
from tests.fakes.rig import connected
from tests.fakes.routes import farming

TO_B = Rule(route="b", login="b.*")


async def test_each_route_is_told_by_itself():
    async with farming("a", "b", rules=[TO_B]) as farm:
        farm.publish("a", target=2**256 - 1)
        async with connected(farm.port(), "x.1") as [rig]:
            await rig.say(rig.find(await rig.job()))
            async with connected(farm.port("back"), "b.1"):
                await farm.until(lambda: farm.users("b") == ["b.1"])
                one, two = routes_of(farm.routing, {"a": 5.0})
                page = Page(farm.routing, None, "").status()
                text = (await Page(farm.routing, None, "").metrics()).decode()
    assert (one.name, one.works, one.connections, one.accepted) == ("a", True, 1, 1)
    assert (two.name, two.works, two.connections, two.accepted) == ("b", False, 1, 0)
    assert (two.rigs, two.max_rigs, two.turned_away) == (1, None, 0)
    assert (one.forwarded, one.acknowledged) == (1, 1)
    assert (one.hashrate_hps, two.hashrate_hps) == (5.0, 0.0)
    assert [each["name"] for each in page["routes"]] == ["a", "b"]
    found = {(rig["user"], rig["route"], rig["listener"]) for rig in page["rigs"]}
    assert found == {("x.1", "a", "front"), ("b.1", "b", "back")}
    assert 'headframe_proxy_route_shares_accepted_total{route="a"} 1.0' in text
    assert 'headframe_proxy_route_up{route="b"} 0.0' in text
    assert "headframe_proxy_shares_accepted_total 1.0" in text


async def test_the_limit_of_a_route_is_told():
    async with farming("a") as farm:
        farm.change("a", most={"a": 7})
        farm.routing.routes["a"].hub.roll.turned_away = 3
        [told] = routes_of(farm.routing, {})
        text = (await Page(farm.routing, None, "").metrics()).decode()
    assert (told.rigs, told.max_rigs, told.turned_away) == (0, 7, 3)
    assert 'headframe_proxy_route_max_rigs{route="a"} 7.0' in text
    assert 'headframe_proxy_route_rigs{route="a"} 0.0' in text
    assert 'headframe_proxy_route_rigs_turned_away_total{route="a"} 3.0' in text


async def test_a_route_that_went_keeps_its_counters():
    async with farming("a", "b", rules=[TO_B]) as farm:
        farm.publish("b", target=2**256 - 1)
        async with connected(farm.port(), "b.1") as [rig]:
            await rig.say(rig.find(await rig.job()))
            farm.change("a")
            await farm.until(lambda: not farm.routing.known["b"].runs)
        figures = route_figures(farm.routing, {})
        assert (figures["b"].up, figures["b"].shares_accepted) == (0, 1)
        assert [each.name for each in routes_of(farm.routing, {})] == ["a"]
        text = (await Page(farm.routing, None, "").metrics()).decode()
    assert re.search(r"^headframe_proxy_shares_accepted_total 1\.0$", text, re.MULTILINE)


async def test_the_extranonce_is_told_and_what_an_upstream_with_less_room_cost():
    async with farming("a", "b") as farm:
        assert extranonce_of(farm.routing) is None
        farm.publish("a", size=8)
        async with (
            connected(farm.port(), "new") as [new],
            connected(farm.port(), "old", extranonce_subscribe=False) as [old],
        ):
            before = await new.job()
            await old.job()
            farm.publish("b", size=4)
            await new.job(before)
            await old.closed()
        told = extranonce_of(farm.routing)
        assert told is not None
        assert (told.lane_bytes, told.slice_bytes, told.rig_bytes) == (0, 2, 2)
        assert (told.changes, told.reseated, told.closed) == (1, 1, 1)
        assert [each.extranonce_bytes for each in routes_of(farm.routing, {})] == [8, 4]
        page = Page(farm.routing, None, "").status()
        assert page["extranonce"]["rig_bytes"] == 2


async def test_a_problem_of_a_route_is_told():
    async with farming("a") as farm:
        farm.publish("a", size=1)
        hub = farm.routing.first
        await farm.until(lambda: bool(hub.problem))
        [route] = routes_of(farm.routing, {})
        assert "leaves 1 extranonce bytes" in route.upstream.detail
        assert not has_work(hub)


def test_numbers_are_added_by_label():
    one, two = BlockStats(), BlockStats()
    one.blocks_waiting, two.blocks_waiting = 2, 3
    reason = next(iter(one.blocks_judged))
    one.blocks_judged[reason] = two.blocks_judged[reason] = 4
    total = summed(BlockStats, [one, two])
    assert (total.blocks_waiting, total.blocks_judged[reason]) == (5, 8)
    assert summed(BlockStats, []) == Stats().blocks
