import asyncio

import pytest
from structlog.testing import capture_logs

from headframe.chain.job import Job, SplitCoinbase
from headframe.chain.share import Reason
from headframe.chain.target import Target
from proxy.routes import Rule, Visitor
from proxy.space import SpaceSettings
from proxy.vardiff import Bounds
from tests.fakes.proxying import rig_settings
from tests.fakes.rig import RawRig, Rig, connected
from tests.fakes.routes import Farm, farming

EASY = 2**256 - 1
TO_B = Rule(route="b", login="b.*")


def prefix_of(job: Job) -> bytes:
    assert isinstance(job.commitment, SplitCoinbase)
    return job.commitment.prefix


async def job_of(rig: Rig, job: Job) -> Job:
    """Wait until a rig was shown what an upstream had published."""
    async with asyncio.timeout(20):
        async for shown in rig.jobs:
            if shown is not None and prefix_of(shown).startswith(prefix_of(job)):
                return shown
    raise AssertionError("the cell never ends")


async def mine(farm: Farm, rig: Rig, route: str) -> None:
    """Show a job that is nobody else's, and have a share of it go up on that route."""
    before = len(farm.sources[route].sent)
    job = farm.publish(route, target=EASY)
    shown = await job_of(rig, job)
    assert (await rig.say(rig.find(shown))).reason is Reason.ACCEPTED
    async with asyncio.timeout(20):
        await farm.sources[route].wait_for(before + 1)
    assert farm.sources[route].sent[-1][0].job_id == job.id


async def test_the_login_says_which_pool_a_rig_works_for():
    async with farming("a", "b", rules=[TO_B]) as farm:
        farm.publish("a")
        async with connected(farm.port(), "b.1", "x.1") as [one, two]:
            await mine(farm, one, "b")
            await mine(farm, two, "a")
            assert (farm.users("a"), farm.users("b")) == (["x.1"], ["b.1"])
        ledgers = {name: each.hub.ledger for name, each in farm.routing.known.items()}
        assert set(ledgers["a"].workers) == {"x.1"}
        assert set(ledgers["b"].workers) == {"b.1"}
        assert farm.routing.totals.total.accepted.shares == 2


async def test_the_listener_says_it_too():
    rules = [Rule(route="b", listener="back")]
    async with farming("a", "b", rules=rules) as farm:
        farm.publish("a")
        farm.publish("b")
        async with (
            connected(farm.port("front"), "one") as [front],
            connected(farm.port("back"), "two") as [back],
        ):
            await mine(farm, front, "a")
            await mine(farm, back, "b")


async def test_the_agent_counts_when_a_rig_authorises_first():
    rules = [Rule(route="b", agent="raw/*")]
    async with farming("a", "b", rules=rules) as farm:
        farm.publish("a")
        farm.publish("b")
        async with RawRig.to(farm.port()) as rig:
            rig.send(1, "mining.authorize", "w", "x")
            rig.send(2, "mining.subscribe", "raw/1")
            await rig.until("mining.notify")
            assert farm.users("b") == ["w"]


@pytest.mark.parametrize(
    "rule", [Rule(route="", login="thief*"), Rule(route="", agent="raw*", login="thief")]
)
async def test_a_rule_turns_rigs_away(rule: Rule):
    async with farming("a", rules=[rule]) as farm:
        farm.publish("a")
        async with RawRig.to(farm.port()) as rig:
            rig.send(1, "mining.subscribe", "raw/1")
            rig.send(2, "mining.authorize", "thief", "x")
            answer = await rig.answer(2)
            assert answer["error"]
            assert await rig.line() == {}
        assert farm.routing.stats.connections_closed["no_route"] == 1


async def test_an_address_that_is_refused_gets_no_word():
    rule = Rule(route="", listener="back")
    async with farming("a", rules=[rule]) as farm:
        farm.publish("a")
        async with RawRig.to(farm.port("back")) as rig:
            assert await rig.line() == {}
        assert farm.routing.stats.connections_refused["rule"] == 1


async def test_a_change_of_rules_moves_a_rig_and_leaves_the_other():
    async with farming("a", "b", rules=[TO_B]) as farm:
        farm.publish("a")
        farm.publish("b")
        async with connected(farm.port(), "b.1", "x.1") as [one, two]:
            await mine(farm, one, "b")
            await mine(farm, two, "a")
            places = [each.core.extranonce1 for each in (one, two)]
            seen = two.jobs.serial
            farm.change("a", "b", rules=[])
            await farm.until(lambda: farm.users("a") == ["b.1", "x.1"])
            await mine(farm, one, "a")
            assert two.jobs.serial > seen, "the job that `mine` published, and no other"
            assert [each.core.extranonce1 for each in (one, two)] == places
            assert not one.lost
            assert not two.lost
        assert farm.routing.stats.moves == 1


async def test_a_share_in_flight_counts_on_the_route_that_was_left():
    async with farming("a", "b", rules=[TO_B]) as farm:
        farm.publish("a")
        old = farm.publish("b", target=EASY)
        async with connected(farm.port(), "b.1") as [rig]:
            shown = await rig.job()
            farm.change("a", "b", rules=[])
            await farm.until(lambda: farm.users("a") == ["b.1"])
            assert (await rig.say(rig.find(shown))).reason is Reason.ACCEPTED
            async with asyncio.timeout(20):
                await farm.sources["b"].wait_for(1)
            assert farm.sources["b"].sent[0][0].job_id == old.id
            later = await rig.job(shown)
            assert (await rig.say(rig.find(later))).reason is Reason.ACCEPTED
        assert farm.routing.known["b"].hub.ledger.total.accepted.shares == 1
        assert farm.routing.known["a"].hub.ledger.total.accepted.shares == 1


async def test_a_route_comes_and_goes_and_keeps_its_books():
    async with farming("a") as farm:
        farm.publish("a")
        async with connected(farm.port(), "b.1") as [rig]:
            await mine(farm, rig, "a")
            for _ in range(2):
                farm.change("a", "b", rules=[TO_B])
                await farm.until(lambda: farm.users("b") == ["b.1"])
                await mine(farm, rig, "b")
                farm.change("a")
                await farm.until(lambda: farm.users("a") == ["b.1"])
                await farm.until(lambda: not farm.routing.known["b"].runs)
            assert not rig.lost
        assert farm.routing.known["b"].hub.ledger.total.accepted.shares == 2
        assert farm.routing.totals.workers["b.1"].accepted.shares == 3
        farm.routing.totals.workers["b.1"].verify()


async def test_a_route_put_back_at_once_goes_on():
    async with farming("a", "b", rules=[TO_B]) as farm:
        farm.publish("b")
        async with connected(farm.port(), "b.1") as [rig]:
            await rig.job()
            farm.change("a")
            farm.change("a", "b", rules=[TO_B])
            await farm.until(lambda: len(farm.users("b")) == 1)
            await mine(farm, rig, "b")
            assert farm.routing.known["b"].runs


async def test_new_limits_reach_rigs_that_stay():
    async with farming("a") as farm:
        farm.publish("a")
        async with connected(farm.port(), "rig") as [rig]:
            job = await rig.job()
            bounds = Bounds(per_minute=20, easiest=Target(2**250), hardest=Target(2**240))
            farm.change("a", rigs=rig_settings(bounds=bounds))
            hub = farm.routing.first
            [session] = [each for _, each in farm.routing.sessions()]
            await farm.until(lambda: session._settings.bounds is bounds)
            farm.time.now += 1
            await hub.tick()
            assert (await rig.job(job)).target < 2**251, "as far as a difficulty tells it"


async def test_a_rule_that_comes_turns_away_who_is_there():
    async with farming("a") as farm:
        farm.publish("a")
        async with connected(farm.port(), "thief", "good") as [thief, good]:
            await thief.job()
            await good.job()
            farm.change("a", rules=[Rule(route="", login="thief")])
            await thief.closed()
            assert not good.lost
        assert farm.routing.stats.connections_closed["no_route"] == 1


async def test_no_two_rigs_search_the_same_on_any_route():
    """One allocator: places stay apart while rigs go from route to route."""
    space = SpaceSettings(slice_first=0, slice_end=8)
    async with farming("a", "b", rules=[TO_B], space=space) as farm:
        farm.publish("a")
        farm.publish("b")
        users = [f"{'bx'[n % 2]}.{n}" for n in range(8)]
        async with connected(farm.port(), *users) as rigs:
            for rig in rigs:
                await rig.job()
            assert len({rig.core.extranonce1 for rig in rigs}) == 8
            farm.change("a", "b", rules=[Rule(route="b", login="x.*")])
            await farm.until(lambda: len(farm.users("a")) == 4)
            assert len({rig.core.extranonce1 for rig in rigs}) == 8
            async with connected(farm.port(), "late") as [late]:
                await late.closed()
        assert farm.routing.stats.connections_closed["no_slice"] == 1


async def test_an_upstream_with_less_room_gives_all_rigs_another_place():
    async with farming("a", "b", rules=[TO_B]) as farm:
        farm.publish("a", size=8)
        async with (
            connected(farm.port(), "x.1") as [new],
            connected(farm.port(), "x.2", extranonce_subscribe=False) as [old],
        ):
            assert (await new.job()).extranonce_size == 4
            before = await old.job()
            assert before.extranonce_size == 4
            farm.publish("b", size=4)
            await old.closed()
            await mine(farm, new, "a")
            assert (await new.job()).extranonce_size == 2
        stats = farm.routing.stats
        assert (stats.reseats, stats.connections_closed["new_layout"]) == (1, 1)
        assert stats.layout_changes == 1


async def test_who_waits_for_a_name_waits_where_there_is_work():
    async with farming("a", "b", rules=[TO_B]) as farm:
        assert farm.routing.entry("front").hub is farm.routing.known["a"].hub
        farm.publish("b")
        await farm.until(lambda: not farm.routing.known["b"].hub.idle)
        assert farm.routing.entry("front").hub is farm.routing.known["b"].hub
        visitor = Visitor(listener="front", address="127.0.0.1", login="b.1")
        assert farm.routing.decide(visitor).why == "login b.*"


async def refused(farm: Farm, login: str) -> None:
    """See a rig be turned away."""
    async with RawRig.to(farm.port()) as rig:
        rig.send(1, "mining.subscribe", "raw/1")
        rig.send(2, "mining.authorize", login, "x")
        assert (await rig.answer(2))["error"]
        assert await rig.line() == {}


async def test_one_rig_too_many_on_a_route_takes_the_next_rule_or_is_turned_away():
    rules = [TO_B, Rule(route="c", login="b.3")]
    async with farming("a", "b", "c", rules=rules) as farm:
        farm.change("a", "b", "c", rules=rules, most={"b": 2})
        for name in "abc":
            farm.publish(name)
        roll = farm.routing.routes["b"].hub.roll
        async with connected(farm.port(), "b.1", "b.2", "x") as rigs:
            for rig in rigs:
                await rig.job()
            assert (farm.users("b"), roll.rigs) == (["b.1", "b.2"], 2)
            with capture_logs() as lines:
                await refused(farm, "b.4")
            [told] = [line for line in lines if line["event"] == "rig_refused"]
            assert told["why"] == "route b is full, and no other rule fits"
            assert farm.routing.stats.connections_closed["route_full"] == roll.turned_away == 1
            async with connected(farm.port(), "b.3") as [over]:
                await mine(farm, over, "c")
                farm.change("a", "b", "c", rules=rules, most={"b": 3})
                await farm.until(lambda: "b.3" in farm.users("b"))
                farm.change("a", "b", "c", rules=rules, most={"b": 1})  # drops nobody
                await mine(farm, over, "b")
                assert not any(rig.lost for rig in rigs)
                assert roll.rigs == 3
            await farm.until(lambda: roll.rigs == 2)
            await refused(farm, "b.4")
        await farm.until(lambda: roll.rigs == 0)
        async with connected(farm.port(), "b.4") as [late]:
            await mine(farm, late, "b")


async def test_who_is_on_a_full_route_may_name_more_workers_and_subscribe_late():
    async with farming("a", "b", rules=[TO_B]) as farm:
        farm.change("a", "b", rules=[TO_B], most={"b": 1})
        farm.publish("a")
        farm.publish("b")
        async with RawRig.to(farm.port()) as rig:
            rig.send(1, "mining.authorize", "b.1", "x")
            assert (await rig.answer(1))["result"] is True
            rig.send(2, "mining.subscribe", "raw/1")  # the rules are asked again
            await rig.until("mining.notify")
            rig.send(3, "mining.authorize", "b.2", "x")
            assert (await rig.answer(3))["result"] is True
            assert farm.routing.routes["b"].hub.roll.rigs == 1
            await refused(farm, "b.3")
        hubs = [each.hub for each in farm.routing.routes.values()]
        await farm.until(lambda: all(hub.roll.rigs == 0 for hub in hubs))


async def test_a_rig_without_a_name_does_not_count():
    async with farming("a") as farm:
        farm.change("a", most={"a": 1})
        farm.publish("a")
        async with RawRig.to(farm.port()) as waiting, connected(farm.port(), "one") as [rig]:
            waiting.send(1, "mining.subscribe", "raw/1")
            await waiting.answer(1)
            await mine(farm, rig, "a")
            waiting.send(2, "mining.authorize", "two", "x")
            assert (await waiting.answer(2))["error"]
            assert await waiting.line() == {}
