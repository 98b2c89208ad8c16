"""The wire log and the log of real programs: what is said is there, and secrets are nowhere."""

import json
from pathlib import Path
from typing import Any

import pytest

from headframe.chain.target import MAX_TARGET
from tests.fakes.pool import FakePool
from tests.fakes.ports import free_port
from tests.fakes.programs import headframe, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

SECRETS = ("hunter2-url", "hunter2-file", "hunter2-env", "hunter2-rigs", "hunter2-secret-file")


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def methods(found: list[dict[str, Any]], leg: str, direction: str) -> set[str]:
    lines = [
        json.loads(each["line"])
        for each in found
        if each["leg"] == leg and each.get("direction") == direction
    ]
    return {line["method"] for line in lines if "method" in line}


async def test_both_legs_of_a_proxy_and_the_miners_own_are_written_down_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password in a URL, a settings file, the environment, and a file of its own."""
    listen = free_port()
    (tmp_path / "secret").write_text("hunter2-secret-file")
    async with FakePool() as pool, FakePool() as refusing:
        refusing.lets_in = lambda user: False
        pool.new_block(target=MAX_TARGET >> 16)
        proxy_toml = tmp_path / "proxy.toml"
        proxy_toml.write_text(
            f'[[listeners]]\nport = {listen}\npassword = "hunter2-rigs"\n'
            f'[[upstreams]]\nurl = "stratum+tcp://127.0.0.1:{refusing.port}"\nname = "first"\n'
            'user = "site"\npassword = "hunter2-file"\n'
            f'[[upstreams]]\nurl = "stratum+tcp://site:hunter2-url@127.0.0.1:{pool.port}"\n'
            'name = "second"\n'
            f'[[upstreams]]\nurl = "stratum+tcp://127.0.0.1:{refusing.port}"\nname = "third"\n'
            f'user = "site"\npassword_file = "{tmp_path / "secret"}"\n'
        )
        miner_toml = tmp_path / "miner.toml"
        miner_toml.write_text(
            f'threads = 1\n[[upstreams]]\nurl = "stratum+tcp://127.0.0.1:{listen}"\nuser = "me"\n'
            f'name = "proxy"\n'
            f'[[upstreams]]\nurl = "stratum+tcp://127.0.0.1:{refusing.port}"\nuser = "me"\n'
        )
        monkeypatch.setenv("HEADFRAME_LOG_LEVEL", "debug")
        proxy_wire, miner_wire = tmp_path / "proxy.jsonl", tmp_path / "miner.jsonl"
        common = ("--log-level", "debug", "--wire-log")
        async with headframe(
            "proxy", "--config", str(proxy_toml), *common, str(proxy_wire), folder=tmp_path
        ) as proxy:
            monkeypatch.delenv("HEADFRAME_LOG_LEVEL")
            monkeypatch.setenv("HEADFRAME_UPSTREAMS__0__PASSWORD", "hunter2-rigs")
            monkeypatch.setenv("HEADFRAME_UPSTREAMS__1__PASSWORD", "hunter2-env")
            async with headframe(
                "mine", "--config", str(miner_toml), *common, str(miner_wire), folder=tmp_path
            ) as miner:
                await until(pool.heard.get, "a share at the pool", proxy, miner)
                pages = [
                    body
                    for one in (proxy, miner)
                    for path in ("/api/v1/status", "/metrics")
                    for body in [(await one.get(path))[1]]
                ]
    assert ("site", "hunter2-url") in pool.users
    assert ("site", "hunter2-file") in refusing.users
    up, rigs = records(proxy_wire), records(miner_wire)
    assert methods(up, "second", "out") >= {"mining.subscribe", "mining.authorize", "mining.submit"}
    assert "mining.notify" in methods(up, "second", "in")
    assert methods(up, "rig", "in") >= {"mining.subscribe", "mining.authorize", "mining.submit"}
    assert methods(rigs, "proxy", "out") >= {"mining.authorize", "mining.submit"}
    assert any('"me"' in each.get("line", "") for each in rigs), "logins are kept"
    told = b"".join(pages) + b"".join(
        each.read_bytes()
        for each in tmp_path.rglob("*")
        if each.is_file() and each.suffix != ".toml" and each.name != "secret"
    )
    assert b"mining.authorize" in told
    assert not [secret for secret in SECRETS if secret.encode() in told]


async def test_without_the_option_nothing_is_written(tmp_path: Path) -> None:
    async with FakePool() as pool:
        pool.new_block(target=MAX_TARGET >> 16)
        url = f"stratum+tcp://127.0.0.1:{pool.port}"
        async with headframe(
            "mine", "--url", url, "--user", "me", "--threads", "1", folder=tmp_path
        ) as miner:
            await until(pool.heard.get, "a share at the pool", miner)
    assert not [each for each in tmp_path.rglob("*") if "wire" in each.name]
