from pathlib import Path

import pytest
import trustme

from headframe.check.upstreams import Finding, check_blocks, check_upstreams, endpoint_of, source_of
from headframe.runtime.errors import ConfigError
from headframe.upstream.options import BlocksSettings, PoolsSettings, StrategyName, UpstreamSettings

REGTEST_ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"  # BIP 173's key, regtest
POOL = UpstreamSettings(url="stratum+tcp://a.example:3333", user="me")
NODE = UpstreamSettings(
    url="bitcoind+http://127.0.0.1:18443", address=REGTEST_ADDRESS, user="u", password="hunter2"
)


def found(*upstreams: UpstreamSettings, **pools: object) -> list[Finding]:
    return list(check_upstreams(upstreams, PoolsSettings(**pools)))  # type: ignore[arg-type]


def changed(one: UpstreamSettings, **changes: object) -> UpstreamSettings:
    known = {name: getattr(one, name) for name in one.__struct_fields__}
    return UpstreamSettings(**{**known, **changes})


def test_good_upstreams_have_nothing_wrong() -> None:
    assert found(POOL, NODE) == []
    assert endpoint_of(POOL).place == "a.example:3333"
    assert source_of(NODE).status.get().url == "bitcoind+http://127.0.0.1:18443"


@pytest.mark.parametrize(
    ("one", "key", "word"),
    [
        (changed(POOL, url="startum+tcp://a:1"), "url", "did you mean stratum+tcp?"),
        (changed(POOL, url="a:3333"), "url", "has no scheme"),
        (changed(POOL, proxy="gopher://h:1"), "proxy", "no kind known"),
        (changed(POOL, password_file="/nowhere/at/all"), "password_file", "cannot be read"),
        (changed(POOL, password="hunter2", password_file="/x"), "password_file", "one of them"),
        (changed(POOL, url="stratum+ssl://a:1", ca_file="/nowhere"), "ca_file", "cannot be read"),
        (changed(POOL, url="stratum+ssl://a:1", fingerprint="abc"), "fingerprint", "no SHA-256"),
        (changed(POOL, user=""), "user", "needs a `user`"),
        (changed(POOL, suggest_target="xyz"), "suggest_target", "is no target"),
        (changed(POOL, fingerprint="ab" * 32), "fingerprint", "but no TLS"),
        (changed(NODE, address=""), "address", "who is paid"),
        (changed(NODE, address=REGTEST_ADDRESS[:-1] + "q"), "address", "checksum"),
        (changed(NODE, proxy="socks5://h:1"), "proxy", "for pools alone"),
        (
            changed(NODE, password="", url="bitcoind+http://127.0.0.1:7777"),
            "cookie",
            "needs the node's `cookie` file",
        ),
    ],
)
def test_what_is_wrong_has_the_key_that_it_is_about(
    one: UpstreamSettings, key: str, word: str
) -> None:
    (finding,) = found(POOL, one)[:1] or [Finding(key="", text="nothing was found")]
    assert finding.fatal
    assert finding.key == f"upstreams.1.{key}"
    assert word in finding.text
    assert "hunter2" not in finding.text


def test_several_things_wrong_with_one_upstream_are_all_told() -> None:
    one = changed(POOL, url="x", proxy="y", password_file="/nowhere")
    assert [each.key for each in found(one)] == [
        "upstreams.0.url",
        "upstreams.0.proxy",
        "upstreams.0.password_file",
    ]


def test_an_authority_that_is_there_is_good(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    assert found(changed(POOL, url="stratum+ssl://a:1", ca_file=str(file))) == []


def test_a_cookie_that_is_not_there_yet_is_a_note_and_one_that_cannot_be_read_is_not(
    tmp_path: Path,
) -> None:
    one = changed(NODE, password="", cookie=str(tmp_path / ".cookie"))
    (note,) = found(one)
    assert (note.key, note.fatal) == ("upstreams.0.cookie", False)
    (tmp_path / ".cookie").mkdir()
    (problem,) = found(one)
    assert problem.fatal
    (tmp_path / ".cookie").rmdir()
    (tmp_path / ".cookie").write_text("__cookie__:x")
    assert found(one) == []


def test_how_upstreams_go_together_is_looked_at() -> None:
    assert [(each.key, each.fatal) for each in found()] == [("upstreams", False)]
    assert [each.key for each in found(POOL, POOL)] == ["upstreams.1.url"]
    named = changed(POOL, name="a.example:3333", url="stratum+tcp://b:1")
    assert [each.key for each in found(POOL, named)] == ["upstreams.1.name"]
    idle = changed(POOL, weight=0.0)
    (finding,) = found(idle, strategy=StrategyName.QUOTA)
    assert finding.key == "pools.strategy"
    assert found(idle, POOL.__class__(url="stratum+tcp://b:1", user="x"), strategy="quota") == []


def test_what_is_done_for_blocks_is_looked_at(tmp_path: Path) -> None:
    node = "bitcoind+http://u:hunter2@127.0.0.1:18443"
    hook = tmp_path / "hook"
    hook.write_text("https://user:hunter2@chat.example/hook")
    assert not list(check_blocks(BlocksSettings(submit_to=(node,), hook_file=str(hook))))
    hook.write_text("hunter2")
    wrong = list(check_blocks(BlocksSettings(submit_to=("x",), hook_file=str(hook))))
    assert [each.key for each in wrong] == ["blocks.submit_to", "blocks.hook_file"]
    assert not [each for each in wrong if "hunter2" in each.text]


def test_a_source_that_cannot_work_is_not_made() -> None:
    with pytest.raises(ConfigError):
        source_of(changed(POOL, user=""))
