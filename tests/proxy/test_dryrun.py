import asyncio

import pytest

from headframe.runtime.errors import ConfigError
from headframe.runtime.web import WebServer
from headframe.upstream.payees import PayTo
from headframe.upstream.settings import UpstreamSettings
from proxy.config import ProxyConfig
from proxy.dryrun import dry_run, live_rigs_at
from proxy.tables import RouteSettings, RuleSettings, WebSettings
from proxy.tryout import routes_served
from tests.fakes.rig import connected
from tests.fakes.routes import farming

POOL = UpstreamSettings(url="stratum+tcp://127.0.0.1:1", user="u")
CONFIG = ProxyConfig(
    upstreams=(POOL,),
    routes=(RouteSettings(name="b", upstreams=(POOL,)),),
    rules=(
        RuleSettings(refuse=True, addresses=("192.0.2.0/24",)),
        RuleSettings(route="b", login="x.*"),
    ),
)


def test_rigs_that_are_given_are_told_by_the_settings():
    rigs = ["f,10.0.0.1,x.1", "f,10.0.0.1,y.1,bmminer", "f,192.0.2.9,x.1"]
    assert dry_run(CONFIG, rigs, "") == [
        "x.1 from 10.0.0.1 at f: b (login x.*)",
        "y.1 from 10.0.0.1 at f (bmminer): default (no rule fits: the first route)",
        "x.1 from 192.0.2.9 at f: turned away (address in 192.0.2.0/24)",
    ]


def test_rigs_that_cannot_be_paid_are_told_to_be_turned_away():
    address = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
    node = UpstreamSettings(
        url="bitcoind+http://127.0.0.1:18443", address=address, payout=PayTo.LOGIN
    )
    pays, cannot = dry_run(
        ProxyConfig(upstreams=(node,)), [f"f,10.0.0.1,{address}.x", "f,10.0.0.1,rig7"], ""
    )
    assert pays.endswith(": default (no rule fits: the first route)")
    assert "rig7 from 10.0.0.1 at f: turned away (the user name must be the address" in cannot


async def test_rigs_of_a_running_proxy_are_told_with_their_moves():
    async with farming("default", "b") as farm:
        farm.publish("default")
        server = WebServer(
            "127.0.0.1",
            0,
            status=dict,
            metrics=bytes,
            healthy=lambda: True,
            title="Test",
            endpoints=[routes_served(farm.routing)],
        )
        async with server, connected(farm.port(), "x.1", "y.1") as rigs:
            for rig in rigs:
                await rig.job()
            lines = await asyncio.to_thread(dry_run, CONFIG, [], server.url)
            again = ProxyConfig(
                upstreams=(POOL,), web=WebSettings(host="0.0.0.0", port=server.port)
            )
            same = await asyncio.to_thread(dry_run, again, [], "")
    assert len(lines) == 3
    assert "default -> b (login x.*)" in lines[0]
    assert lines[2] == "1 of 2 rigs would move"
    assert same[-1] == "0 of 2 rigs would move"


async def test_where_no_proxy_answers_that_is_told():
    with pytest.raises(ConfigError, match="no running proxy at http"):
        await live_rigs_at("http://127.0.0.1:1/")
    with pytest.raises(ConfigError, match="no running proxy at nowhere"):
        await live_rigs_at("nowhere")
    plain = WebServer(
        "127.0.0.1", 0, status=dict, metrics=bytes, healthy=lambda: True, title="Test"
    )
    async with plain:
        with pytest.raises(ConfigError, match="status 404"):
            await live_rigs_at(plain.url)
