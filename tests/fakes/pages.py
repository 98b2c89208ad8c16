"""The page of a proxy over rigs that do not exist, opened in a browser."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final

import structlog
from aiohttp import web

from headframe.runtime.clock import wall_seconds
from headframe.runtime.events import EventRing
from headframe.runtime.web import Actions, Answer, Endpoint, Reply, Served, WebServer, respond
from headframe.runtime.web.common import RELOAD
from headframe.upstream.preference import POOLS, SWITCH
from proxy.access import BAN, BANS, KICK, UNBAN
from proxy.history import Batch, Rollup
from proxy.history_api import history_served
from proxy.history_figures import Figures
from proxy.history_file import HistoryFile
from proxy.rigview import RigView, rigs_served
from tests.fakes.browser import Tab, browsing
from tests.fakes.crowd import Crowd

__all__ = [
    "MINUTES",
    "RIG",
    "TOKEN",
    "Desk",
    "happen",
    "json_served",
    "opened",
    "program",
    "serving",
    "until",
    "words",
]

TOKEN: Final = "a token of the test"
MINUTES: Final = 30
RIG: Final = "farm.rig00002"
_BLOCK = {"height": 7, "hash": "00ab" * 16, "detail": "", "worker": RIG}
_POOL = {"user": "account", "job_age_seconds": 3, "answer_seconds": 0.02, "difficulty": 65536}
_COUNTS = {"accepted": 4000, "rejected": 3, "lost": 0, "last_share_time": 1_700_000_000}


class Desk:
    """What the page asked to be changed, and what stands after it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.banned = ["192.0.2.7"]
        self.preferred = "first"

    def actions(self, token: str) -> Actions:
        rows = {each: self._acting(each) for each in (KICK, BAN, UNBAN, SWITCH, RELOAD)}
        return Actions(rows, token)

    def endpoints(self) -> list[Served]:
        async def bans(_request: web.Request, _asked: None) -> web.Response:
            rest = {"why": "rubbish", "seconds_left": 1799, "in_settings": False}
            fixed = {"address": "198.51.100.0/24", "why": "settings", "in_settings": True}
            rows = [{"address": each, **rest} for each in self.banned]
            return respond({"bans": [*rows, {**fixed, "seconds_left": None}]})

        async def pools(_request: web.Request, _asked: None) -> web.Response:
            route = {"route": "default", "strategy": "failover", "switchable": True}
            rows = [{"pool": "first"}, {"pool": "spare"}]
            return respond({"routes": [{**route, "preferred": self.preferred, "pools": rows}]})

        return [Served(BANS, bans), Served(POOLS, pools)]

    def _acting(self, endpoint: Endpoint) -> Callable[[Any], Any]:
        async def act(asked: Any) -> Answer:
            fields = {name: getattr(asked, name) for name in asked.__struct_fields__}
            self.asked.append((endpoint.name, fields))
            match endpoint.name:
                case "unban":
                    self.banned.remove(fields["address"])
                case "pools/switch":
                    self.preferred = fields["pool"]
                    return Answer(details={**fields, "in_use": "first"})
                case "reload":
                    return Answer(error="proxy.toml:3: bogus", what_to_do="mend it")
            return Answer(details={"closed": 1})

        return act


def program(crowd: RigView, count: int) -> dict[str, object]:
    """Return the status of a proxy with so many rigs."""
    upstream = {"source": "first", "state": "active", "url": "stratum+tcp://pool.example:3333"}
    now = wall_seconds()
    blocks = [{**_BLOCK, "time": now - 900, "verdict": "accepted"}]
    blocks.append({**_BLOCK, "time": now - 90_000, "verdict": "stale", "detail": "prev-blk"})
    pools = [{**upstream, **_POOL, **_COUNTS, "in_use": True}]
    pools.append({**pools[0], "source": "spare", "state": "down", "in_use": False})
    return {
        "program": "proxy",
        "version": "1.0",
        "uptime_seconds": 4711,
        "stratum_url": "stratum+tcp://rack:3333",
        "upstream": {**upstream, "network": "signet", "height": 7, "detail": ""},
        "pools": pools,
        "rigs_total": count,
        "rigs_by_state": crowd.by_state,
        "hashrate_hps": crowd.hps,
        "job_age_seconds": 3.0,
        "shares": {"accepted": 900, "rejected": 100, "by_reason": {"stale": 90, "duplicate": 10}},
        "pool": {"forwarded": 50, "acknowledged": 49, "lost": 0, "refused": {"stale": 1}},
        "blocks": {"found": 2, "accepted": 1, "list": blocks},
        "lifetime": {"problem": ""},
    }


def write_history(path: Path) -> None:
    """Let one rig have had 1 PH/s for half an hour, until two minutes ago; a tenth was stale."""
    first = wall_seconds() // 60 * 60 - (MINUTES + 2) * 60
    work = 60 * 10**15
    figures = Figures(offered=10, accepted=9, work_offered=work * 10 // 9, work_accepted=work)
    with closing(HistoryFile.open(path)) as file:
        for minute in range(MINUTES):
            stale = {"refused.stale": (1, work // 9)}
            rollups = [Rollup(RIG, figures, stale)]
            file.write([Batch(route="default", at=first + 60 * minute, rollups=rollups)])


def happen(ring: EventRing, level: str, event: str, **fields: object) -> None:
    """Let something have happened, as the log tells it."""
    told = {"level": level, "event": event, "timestamp": "2026-11-22T22:50:01.123456Z"}
    ring(structlog.get_logger(), level, {**told, "logger": "proxy.test", **fields})


@asynccontextmanager
async def opened(
    folder: Path,
    count: int = 1,
    *,
    token: str = TOKEN,
    place: str = "",
    ring: EventRing | None = None,
    port: int = 0,
) -> AsyncIterator[tuple[Tab, Desk]]:
    """Open the page of a proxy with so many rigs."""
    desk = Desk()
    async with (
        serving(folder, count, desk, token=token, ring=ring, port=port) as server,
        browsing(folder / "profile", server.url) as tab,
    ):
        await until(tab, "document.querySelector('#rigs-states button') !== null")
        # Before it has painted, Chromium lets keys go by.
        await until(tab, "performance.getEntriesByType('paint').length > 0")
        await tab(f"location.hash = {place!r}")
        yield tab, desk


@asynccontextmanager
async def serving(
    folder: Path,
    count: int,
    desk: Desk,
    *,
    token: str = TOKEN,
    ring: EventRing | None = None,
    port: int = 0,
) -> AsyncIterator[WebServer]:
    """Serve that page."""
    view, path = RigView(Crowd(count)), folder / "proxy.sqlite"
    if not path.exists():
        write_history(path)
    async with WebServer(
        "127.0.0.1",
        port,
        status=lambda: program(view, count),
        metrics=bytes,
        healthy=lambda: True,
        title="Headframe proxy",
        endpoints=[rigs_served(view), history_served(path), *desk.endpoints()],
        actions=desk.actions(token),
        ring=ring or EventRing(),
        interval_seconds=0.2,
    ) as server:
        yield server


async def until(tab: Tab, condition: str) -> None:
    """Wait until something holds in the page; a minute at most, for machines under load."""
    problem = await tab(
        "new Promise(done => { const end = performance.now() + 60000;"
        f" const holds = () => {{ try {{ return ({condition}); }} catch {{ return false; }} }};"
        " const look = () => holds() ? done('')"
        " : performance.now() > end ? done(document.body.innerText) : setTimeout(look, 20);"
        " look(); })"
    )
    assert problem == "", f"never came true: {condition}\n{problem}"


def words(selector: str) -> str:
    """Write an expression for the words of all elements that a selector finds."""
    return f"[...document.querySelectorAll({selector!r})].map(each => each.innerText)"


def json_served(path: str, told: dict[str, Any]) -> Served:
    """Make an endpoint that tells the same to everybody."""

    async def handle(_request: web.Request, _asked: None) -> web.Response:
        return respond(told)

    replies = {200: Reply(what="What the test brought.")}
    return Served(Endpoint(path=path, summary="Canned", lenient=True, replies=replies), handle)
