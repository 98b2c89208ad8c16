import asyncio
import json
from collections.abc import Iterator
from itertools import repeat
from typing import Any

import msgspec
import pytest

from proxy.page import Page
from proxy.rigview import LOOK_SECONDS, SORTS, RigsAsked, RigView, rigs_served
from proxy.routing import Routing
from proxy.session import Session
from tests.fakes.proxying import proxying
from tests.fakes.rig import connected
from tests.fakes.webapi import serving_rows

USERS = ("farm.b", "farm.A", "other")


class Crowd:
    """A routing on which each connection counts as many."""

    def __init__(self, routing: Routing, times: int) -> None:
        self._routing, self._times = routing, times
        self.clock = routing.clock

    def sessions(self) -> Iterator[tuple[str, Session]]:
        for each in self._routing.sessions():
            yield from repeat(each, self._times)


async def working(proxy, rigs) -> None:
    """Have the first rig send a good share, and the second the same one seven times."""
    proxy.publish()
    jobs = [await rig.job() for rig in rigs]
    await rigs[0].say(rigs[0].find(jobs[0]))
    share = rigs[1].find(jobs[1])
    for _ in range(12):
        await rigs[1].say(share)
    proxy.time.now += 5


def ask(view: RigView, **given: object) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(view.answer(msgspec.convert(given, RigsAsked, strict=False)))
    return told


def users(told: dict[str, Any]) -> list[str]:
    return [rig["user"] for rig in told["rigs"]]


async def test_rigs_are_sorted_and_paged():
    async with proxying() as proxy, connected(proxy.port, *USERS) as rigs:
        await working(proxy, rigs)
        view = RigView(proxy.routing)
        told = ask(view, sort="name")
        assert users(told) == ["farm.A", "farm.b", "other"]
        assert (told["total"], told["found"], told["offset"], told["limit"]) == (3, 3, 0, 50)
        assert users(ask(view, sort="name", desc=1, limit=2)) == ["other", "farm.b"]
        assert users(ask(view, sort="name", limit=2, offset=2)) == ["other"]
        assert users(ask(view))[2] == "other", "the fastest come first"
        assert users(ask(view, sort="rejected", desc=1))[0] == "farm.A"


@pytest.mark.parametrize("falling", [0, 1])
async def test_rigs_without_what_they_are_sorted_by_come_last(falling: int):
    async with proxying() as proxy, connected(proxy.port, *USERS) as rigs:
        await working(proxy, rigs)
        assert users(ask(RigView(proxy.routing), sort="last_share", desc=falling))[2] == "other"


async def test_rigs_are_found_by_parts_of_what_they_are_known_by():
    async with proxying() as proxy, connected(proxy.port, *USERS) as rigs:
        await working(proxy, rigs)
        view = RigView(proxy.routing)
        assert sorted(users(ask(view, search="FARM"))) == ["farm.A", "farm.b"]
        assert users(ask(view, user="other")) == ["other"]
        assert users(ask(view, user="othe")) == []
        assert len(users(ask(view, search="127.0.0.1"))) == 3
        assert len(users(ask(view, route="default"))) == 3
        assert users(ask(view, route="nowhere")) == []
        told = ask(view, listener="front")
        assert (told["found"], told["by_listener"]) == (3, {"front": 3})
        assert told["by_route"] == {"default": 3}
        assert users(ask(view, listener="back")) == []


async def test_a_state_is_picked_and_all_are_counted():
    async with proxying() as proxy, connected(proxy.port, *USERS) as rigs:
        await working(proxy, rigs)
        view = RigView(proxy.routing)
        told = ask(view, state="connecting")
        assert users(told) == ["other"]
        assert told["by_state"] == {
            "connecting": 1,
            "hashing": 1,
            "silent": 0,
            "invalid_only": 1,
        }
        assert view.by_state == told["by_state"]
        assert (told["total"], told["found"]) == (3, 1)


@pytest.mark.parametrize("sort", sorted(SORTS))
async def test_a_connection_without_a_seat_is_connecting(sort: str):
    async with proxying() as proxy, connected(proxy.port, "farm.a") as [rig]:
        await working(proxy, [rig, rig])
        _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        async with asyncio.timeout(30):
            while len(list(proxy.routing.sessions())) < 2:
                await asyncio.sleep(0)
        told = ask(RigView(proxy.routing), sort=sort)
        assert sorted(users(told)) == ["", "farm.a"]
        assert sum(told["by_state"].values()) == told["total"] == 2
        [waiting] = ask(RigView(proxy.routing), state="connecting")["rigs"]
        assert waiting["difficulty"] == waiting["accepted"] == 0
        text = await Page(proxy.routing, None, "stratum+tcp://here:3333").metrics()
        assert b'rigs_by_state{state="connecting"} 1.0' in text
        writer.close()


@pytest.mark.parametrize("sort", sorted(SORTS))
async def test_every_column_sorts(sort: str):
    async with proxying() as proxy, connected(proxy.port, *USERS) as rigs:
        await working(proxy, rigs)
        view = RigView(proxy.routing)
        assert sorted(users(ask(view, sort=sort))) == sorted(USERS)


async def test_the_rigs_are_looked_at_again_after_a_while():
    async with proxying() as proxy:
        view = RigView(proxy.routing)
        proxy.publish()
        assert ask(view)["total"] == 0
        async with connected(proxy.port, "a") as [rig]:
            await rig.job()
            assert ask(view)["total"] == 0
            proxy.time.now += LOOK_SECONDS
            assert ask(view)["total"] == 1
            assert view.first(0) == ()


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("limit=201", "limit"),
        ("limit=0", "limit"),
        ("offset=-1", "offset"),
        ("sort=colour", "expected one of name, state"),
        ("state=lazy", "expected one of connecting, hashing"),
        ("colour=red", "colour"),
    ],
)
async def test_what_cannot_be_is_refused_in_a_line(query: str, says: str):
    async with proxying() as proxy, serving_rows([rigs_served(RigView(proxy.routing))]) as client:
        answer = await client.get(f"/api/v1/rigs?{query}")
        assert answer.status == 422
        assert says in " ".join((await answer.json()).values())
        answer = await client.get("/api/v1/rigs?limit=200")
        assert (await answer.json())["rigs"] == []


async def test_a_page_of_ten_thousand_rigs_is_as_long_as_asked_for():
    async with proxying() as proxy, connected(proxy.port, "a") as [rig]:
        proxy.publish()
        await rig.job()
        view = RigView(Crowd(proxy.routing, 10_000))
        told = ask(view, search="a", sort="name", limit=200, offset=5_000)
        assert (told["found"], len(told["rigs"])) == (10_000, 200)
