import tomllib

from headframe.runtime.settings import example, load, reference
from miner.config import MinerConfig
from miner.devices.base import Wishes
from miner.devices.manners import Manners, usable_cores


def test_without_any_setting_everything_stays_on_this_machine() -> None:
    config = load(MinerConfig)
    assert config.web.host == "127.0.0.1"
    assert config.devices == ("cpu",)
    assert not config.stop.once


def test_every_setting_is_explained() -> None:
    page = reference(MinerConfig)
    for key in (
        "threads",
        "kernel",
        "priority",
        "`pin`",
        "duty",
        "state_dir",
        "allowed_hosts",
        "every_seconds",
        "`shares`",
    ):
        assert key in page


def test_the_example_is_valid_and_changes_nothing_but_the_url() -> None:
    text = example(MinerConfig)
    known = {"upstreams", "pools", "blocks", "web", "api", "log", "stop"}
    assert tomllib.loads(text).keys() <= known


def test_environment_and_overrides_reach_nested_settings() -> None:
    config = load(
        MinerConfig,
        env={"HEADFRAME_WEB__PORT": "9000"},
        overrides=["upstreams.0.url=stratum+tcp://a:1", "stop.shares=3", "devices=cpu,python"],
    )
    assert config.web.port == 9000
    assert config.upstreams[0].url == "stratum+tcp://a:1"
    assert config.stop.shares == 3
    assert config.devices == ("cpu", "python")


def test_what_the_user_wants_of_the_devices_comes_from_the_settings() -> None:
    assert load(MinerConfig).wishes() == Wishes()
    config = load(
        MinerConfig,
        overrides=[
            "threads=3",
            "kernel=x",
            "priority=normal",
            "pin=all",
            "duty=40",
            "gpu_latency_ms=8",
        ],
    )
    manners = Manners(priority="normal", cores=tuple(usable_cores()), duty_percent=40)
    assert config.wishes() == Wishes(threads=3, kernel="x", manners=manners, latency_seconds=0.008)
