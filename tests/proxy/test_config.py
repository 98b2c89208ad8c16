from pathlib import Path
from typing import Any

import pytest

from headframe.chain.target import target_from_difficulty
from headframe.runtime.errors import ConfigError
from headframe.runtime.settings import example, load, reference
from headframe.upstream.payees import PayTo
from headframe.upstream.settings import UpstreamSettings
from proxy.config import ProxyConfig
from proxy.doors import limits_of
from proxy.names import Sender
from proxy.policy import VerdictBy, WhenDry
from proxy.tables import RouteSettings


def test_the_defaults_work():
    config = ProxyConfig()
    rigs = config.rig_settings()
    assert rigs.start == target_from_difficulty(1)
    assert rigs.bounds.per_minute == 20
    assert config.hub_settings().worker_sent(Sender("rig")) is None
    assert limits_of(config.listeners[0]).connections == config.listeners[0].max_connections


@pytest.mark.parametrize(
    ("mode", "sent"), [("replace", None), ("passthrough", "rig"), ("prefix", "farm.rig")]
)
def test_names_are_sent_as_configured(mode: str, sent: str | None):
    config = load(ProxyConfig, overrides=[f"names.mode={mode}", "names.prefix=farm."])
    assert config.hub_settings().worker_sent(Sender("rig")) == sent


@pytest.mark.parametrize(
    ("overrides", "what"),
    [
        (["vardiff.start=1e-12"], "must lie between"),
        (["vardiff.largest=1e-3"], "must lie between"),
        (["extranonce.lane=xyz"], "bytes in hex"),
        (["extranonce.slice_first=9", "extranonce.slice_end=9"], "do not lie in"),
        (["extranonce.slice_size=1", "extranonce.slice_end=300"], "do not lie in"),
        (["listeners.0.password_file=/nowhere/at/all"], "cannot be read"),
    ],
)
def test_what_cannot_work_is_told_in_one_line(overrides: list[str], what: str):
    config = load(ProxyConfig, overrides=overrides)

    def use() -> None:
        config.rig_settings()
        config.space_settings()

    with pytest.raises(ConfigError, match=what) as error:
        use()
    assert "\n" not in str(error.value)


def test_a_lane_and_a_range_reach_the_hub():
    config = load(
        ProxyConfig, overrides=["extranonce.lane=0a", "extranonce.slice_end=512"]
    ).space_settings()
    assert (config.lane, config.slice_first, config.slice_end) == (b"\x0a", 0, 512)


def test_the_state_folder_follows_the_settings_then_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert ProxyConfig().state_path() == tmp_path / "headframe"
    assert ProxyConfig(state_dir="~/x").state_path() == Path.home() / "x"
    monkeypatch.delenv("XDG_STATE_HOME")
    assert ProxyConfig().state_path() == Path.home() / ".local" / "state" / "headframe"


def test_reference_and_example_can_be_made():
    assert "shares_per_minute" in reference(ProxyConfig)
    assert "rollable" in example(ProxyConfig)


def test_a_route_has_policies_of_its_own_and_else_those_of_the_top():
    route = RouteSettings(name="farm", verdict=VerdictBy.POOL, when_dry=WhenDry.KEEP)
    config = load(ProxyConfig, overrides=["stale=block"])
    top, own = config.hub_settings(), config.hub_settings(route)
    assert (top.verdict, top.stale, top.when_dry) == ("local", "block", "close")
    assert (own.verdict, own.stale, own.when_dry) == ("pool", "block", "keep")


NODE: dict[str, Any] = {
    "url": "bitcoind+http://127.0.0.1:18443",
    "address": "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
}


def test_who_is_paid_is_said_for_each_route():
    config = ProxyConfig(
        upstreams=(UpstreamSettings(**NODE, payout=PayTo.LOGIN),),
        routes=(RouteSettings(name="b", upstreams=(UpstreamSettings(**NODE),)),),
    )
    assert config.payouts() == {"default": PayTo.LOGIN, "b": PayTo.ADDRESS}
    assert config.hub_settings().pay_to is PayTo.LOGIN
    assert [config.hub_settings(each).pay_to for each in config.all_routes()] == [
        PayTo.LOGIN,
        PayTo.ADDRESS,
    ]
    assert ProxyConfig().hub_settings().pay_to is PayTo.ADDRESS


def test_a_route_whose_upstreams_pay_in_different_ways_is_refused():
    pays, does_not = UpstreamSettings(**NODE, payout=PayTo.LOGIN), UpstreamSettings(**NODE)
    config = ProxyConfig(routes=(RouteSettings(name="b", upstreams=(pays, does_not)),))
    with pytest.raises(
        ConfigError, match="route b: its upstreams have different payouts"
    ) as caught:
        config.payouts()
    assert "(address, login)" in str(caught.value)
    with pytest.raises(ConfigError, match="different payouts"):
        config.hub_settings(config.routes[0])
