import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from headframe.runtime.errors import ConfigError
from proxy.commands import config_from, parse_listen, proxy

POOL = "stratum+tcp://127.0.0.1:1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.0.0.0:3333", ("0.0.0.0", 3333)),
        (":3334", ("127.0.0.1", 3334)),
        ("3335", ("127.0.0.1", 3335)),
        ("[::1]:3336", ("::1", 3336)),
    ],
)
def test_where_to_listen_is_read(text: str, expected: tuple[str, int]):
    assert parse_listen(text) == expected


@pytest.mark.parametrize("text", ["", "host", "host:", "host:99999", "host:12x", "host:-1"])
def test_where_nobody_can_listen_is_told(text: str):
    with pytest.raises(ConfigError, match="expected host:port"):
        parse_listen(text)


def test_every_url_is_an_upstream_with_the_same_account():
    config = config_from({"urls": ("stratum+tcp://a:1", "stratum+tcp://b:1"), "user": "u"}, {})
    assert [(up.url, up.user) for up in config.upstreams] == [
        ("stratum+tcp://a:1", "u"),
        ("stratum+tcp://b:1", "u"),
    ]


def test_options_without_a_url_complete_the_files_upstream(tmp_path: Path):
    path = tmp_path / "proxy.toml"
    path.write_text(f'[[upstreams]]\nurl = "{POOL}"\nuser = "from file"\n')
    config = config_from({"config": path, "user": "from line", "allow_mainnet": True}, {})
    [upstream] = config.upstreams
    assert (upstream.url, upstream.user, upstream.allow_mainnet) == (POOL, "from line", True)


def test_zero_is_a_value():
    config = config_from({"web_port": 0, "urls": (POOL,), "pace_seconds": 0.0}, {})
    assert config.web.port == 0
    assert config.upstreams[0].pace_seconds == 0


def test_what_is_not_given_is_left_alone():
    config = config_from({"no_web": False, "urls": (), "overrides": ()}, {})
    assert config.web.enabled
    assert config.upstreams == ()


def test_environment_and_set_reach_the_settings():
    config = config_from(
        {"overrides": ("vardiff.start=8",)}, {"HEADFRAME_LISTENERS__0__PORT": "4444", "PATH": "x"}
    )
    assert (config.vardiff.start, config.listeners[0].port) == (8, 4444)


def run(*args: str, folder: Path) -> Result:
    return CliRunner().invoke(proxy, [*args, "--state-dir", str(folder)])


@pytest.mark.parametrize(
    ("args", "what"),
    [
        (["--url", "foo://x"], "foo"),
        ([], "no upstream is configured"),
        (["--url", POOL], "needs a `user`"),
        (["--url", POOL, "--user", "x", "--listen", "nowhere"], "expected host:port"),
        (["--url", POOL, "--user", "x", "--set", "thraeds=2"], "thraeds"),
        (["--url", POOL, "--user", "x", "--start-difficulty", "-1"], "vardiff.start"),
        (["--config", "/nowhere/proxy.toml"], "/nowhere/proxy.toml"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(args: list[str], what: str, tmp_path: Path):
    done = run(*args, "--no-web", folder=tmp_path)
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output
    assert what in done.output
    assert done.output.count("\n") == 1


def test_a_taken_port_is_one_line_and_exit_2(tmp_path: Path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        args = ["--url", POOL, "--user", "x", "--listen", f"127.0.0.1:{port}", "--no-web"]
        done = run(*args, folder=tmp_path)
    assert done.exit_code == 2
    assert f"127.0.0.1:{port} is in use" in done.output


def test_check_says_that_all_is_well_and_hides_passwords(tmp_path: Path):
    args = ["--url", "stratum+tcp://me:hunter2@127.0.0.1:1", "--check"]
    done = run(*args, folder=tmp_path)
    assert done.exit_code == 0, done.output
    assert "the configuration is good" in done.output
    assert "hunter2" not in done.output


def test_a_dry_run_says_where_rigs_would_go(tmp_path: Path):
    file = tmp_path / "proxy.toml"
    file.write_text(
        f'upstreams = [{{ url = "{POOL}", user = "x" }}]\n'
        f'[[routes]]\nname = "b"\nupstreams = [{{ url = "{POOL}", user = "y" }}]\n'
        '[[rules]]\nroute = "b"\nlogin = "farm.*"\n'
    )
    args = ["--config", str(file), "--dry-run"]
    done = run(*args, "--rig", "f,10.0.0.7,farm.1", "--rig", "f,10.0.0.7,x", folder=tmp_path)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [
        "farm.1 from 10.0.0.7 at f: b (login farm.*)",
        "x from 10.0.0.7 at f: default (no rule fits: the first route)",
    ]
    for more, what in (
        (["--rig", "f"], "expected listener,address,login,agent"),
        (["--running", "http://127.0.0.1:1"], "no running proxy at http://127.0.0.1:1"),
    ):
        done = run(*args, *more, folder=tmp_path)
        assert (done.exit_code, done.output.count("\n")) == (2, 1), done.output
        assert what in done.output
    done = run("--config", str(file), "--rig", "f,10.0.0.7,x", folder=tmp_path)
    assert done.exit_code == 2
    assert "go with --dry-run" in done.output


def test_help_teaches_with_examples():
    text = CliRunner().invoke(proxy, ["--help"]).output
    assert "headframe proxy --url stratum+tcp://" in text
    assert "bitcoind+http://" in text
