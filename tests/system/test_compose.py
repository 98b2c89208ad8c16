"""docker-compose.yml: each profile is whole, and every service is held to our rules."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.ports import free_port
from tests.fakes.programs import headframe_argv

pytestmark = [pytest.mark.compose, pytest.mark.system]

ROOT = Path(__file__).parents[2]
SETTINGS = ROOT / "deploy" / "compose"
HEALTHZ = ROOT / "deploy" / "healthz.py"
SCRIPT = ROOT / "scripts" / "compose-from-debian"
PROFILES = {
    "regtest": {"bitcoind", "proxy", "miner", "prometheus", "grafana"},
    "pool": {"pool-proxy", "miner", "prometheus", "grafana"},
    "proxy": {"pool-proxy"},
}
OURS = {"bitcoind", "proxy", "pool-proxy", "miner"}
SERVICES = [(profile, name) for profile, names in PROFILES.items() for name in sorted(names)]


@cache
def compose() -> str:
    """A docker-compose that is there; only CI has one made beforehand, from Debian's package."""
    kept = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for each in (
        os.environ.get("DOCKER_COMPOSE"),
        str(kept / "compose-from-debian" / "docker-compose"),
    ):
        if each and Path(each).is_file():
            return each
    if os.environ.get("CI"):
        pytest.fail("CI makes a docker-compose, and there is none")
    pytest.skip("no docker-compose here: make compose-check makes one")


def run(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Compose on our file, with no environment but what is given."""
    place = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **env}
    argv = [compose(), "--file", str(ROOT / "docker-compose.yml"), *args]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, env=place)


@cache
def resolved(profile: str) -> dict[str, Any]:
    done = run("--profile", profile, "config", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(params=SERVICES, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def service(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    profile, name = request.param
    return name, resolved(profile)["services"][name]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_starts_its_services_and_no_other(profile: str) -> None:
    assert set(resolved(profile)["services"]) == PROFILES[profile]


def test_without_a_profile_all_of_regtest_is_started() -> None:
    done = run("config", "--services")
    assert (done.returncode, done.stderr) == (0, "")
    assert set(done.stdout.split()) == PROFILES["regtest"]


def test_nobody_is_root(service: tuple[str, dict[str, Any]]) -> None:
    user = service[1]["user"]
    assert re.fullmatch(r"[1-9]\d*:\d+", user), user


def test_a_service_can_do_nothing_that_it_need_not(service: tuple[str, dict[str, Any]]) -> None:
    _, each = service
    assert each["cap_drop"] == ["ALL"]
    assert each["security_opt"] == ["no-new-privileges:true"]
    assert each["read_only"] is True
    for forbidden in ("cap_add", "privileged", "pid", "ipc", "network_mode", "devices"):
        assert forbidden not in each
    for volume in each["volumes"]:
        assert "docker.sock" not in volume["source"]
        if volume["type"] == "bind":
            assert volume["read_only"] is True
            assert not volume["bind"].get("create_host_path"), "it would be empty, and root's"
            assert Path(volume["source"]).is_dir()


def test_what_a_service_may_use_is_bounded(service: tuple[str, dict[str, Any]]) -> None:
    _, each = service
    assert 0 < int(each["mem_limit"]) <= 1 << 30
    assert each["memswap_limit"] == each["mem_limit"], "no swap on top"
    assert 0 < int(each["pids_limit"]) <= 256
    assert 0 < each["ulimits"]["nofile"]["hard"] <= 65536


def test_logs_are_put_aside(service: tuple[str, dict[str, Any]]) -> None:
    assert service[1]["logging"] == {
        "driver": "json-file",
        "options": {"max-size": "10m", "max-file": "3"},
    }


def test_ports_are_on_loopback(service: tuple[str, dict[str, Any]]) -> None:
    name, each = service
    ports = each.get("ports", [])
    assert all(port["host_ip"] == "127.0.0.1" for port in ports)
    assert bool(ports) == (name != "bitcoind"), "the node is for the proxy alone"


def test_images_are_pinned_by_a_tag(service: tuple[str, dict[str, Any]]) -> None:
    name, each = service
    assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+\.\d+", each["image"]), each["image"]
    assert ("build" in each) == (name in OURS)
    assert (each.get("pull_policy") == "build") == (name in OURS), "a stranger's could be pulled"


def test_there_is_a_health_check(service: tuple[str, dict[str, Any]]) -> None:
    name, each = service
    check = each["healthcheck"]
    assert check["test"][0] == "CMD", "no shell in between"
    assert {"interval", "timeout", "retries", "start_period"} <= set(check)
    if name in OURS - {"bitcoind"}:
        program, port = check["test"][1:]
        assert program == HEALTHZ.stem
        assert port in {port["target"] for port in each["ports"]} | {
            str(port["target"]) for port in each["ports"]
        }


@pytest.mark.parametrize("profile", PROFILES)
def test_state_is_on_named_volumes(profile: str) -> None:
    config = resolved(profile)
    for name, each in config["services"].items():
        named = {v["source"] for v in each["volumes"] if v["type"] == "volume"}
        assert named, name
        assert named <= set(config["volumes"])


def test_the_node_is_reached_by_the_proxy_alone() -> None:
    config = resolved("regtest")
    inside = {n for n, each in config["services"].items() if "node" in each["networks"]}
    assert inside == {"bitcoind", "proxy"}
    assert config["networks"]["node"]["internal"] is True
    assert set(config["services"]["bitcoind"]["networks"]) == {"node"}


def test_all_find_the_proxy_by_one_name_in_each_profile() -> None:
    """Prometheus and the miner are set up once, for `proxy`."""
    assert "proxy" in resolved("pool")["services"]["pool-proxy"]["networks"]["rigs"]["aliases"]
    assert "stratum+tcp://proxy:3333" in (SETTINGS / "miner.toml").read_text()
    targets = (ROOT / "deploy" / "prometheus" / "prometheus.compose.yml").read_text()
    for target in ("proxy:9332", "miner:9333"):
        assert f'"{target}"' in targets


def test_the_pool_is_named_in_the_environment() -> None:
    done = run("--profile", "proxy", "config", "--format", "json", POOL_URL="stratum+tcp://p:1")
    environment = json.loads(done.stdout)["services"]["pool-proxy"]["environment"]
    assert environment["HEADFRAME_UPSTREAMS__0__URL"] == "stratum+tcp://p:1"


def test_there_is_no_secret_in_any_file() -> None:
    for path in (*SETTINGS.iterdir(), ROOT / "docker-compose.yml", ROOT / ".env"):
        assert not re.search(
            r"^\s*(rpc)?(password|auth|token)\s*[=:]", path.read_text(), re.M | re.I
        )


@pytest.mark.parametrize(
    ("name", "env"),
    [
        ("proxy", {}),
        ("miner", {}),
        (
            "pool",
            {
                "HEADFRAME_UPSTREAMS__0__URL": "stratum+tcp://pool.example:3333",
                "HEADFRAME_UPSTREAMS__0__USER": "me",
            },
        ),
    ],
)
def test_our_programs_take_their_settings(name: str, env: dict[str, str]) -> None:
    done = subprocess.run(
        headframe_argv("check", str(SETTINGS / f"{name}.toml")),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | env,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dockerfile_stands_on_pinned_debian_and_never_runs_as_root() -> None:
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    assert re.search(r"^ARG BASE=debian:13-slim$", text, re.M)
    stages = re.split(r"^FROM ", text, flags=re.M)[1:]
    names = {stage.split()[2]: stage for stage in stages}
    assert {stage.split()[0] for stage in stages} <= {"${BASE}", *names}
    for target in ("headframe", "bitcoind"):
        assert re.search(r"^USER 1000[12]:10000$", names[target], re.M)


@pytest.mark.parametrize(
    ("version", "good"),
    [("2.20.0", True), ("v2.40.3", True), ("5.0.1", True), ("2.19.9", False), ("1.29.2", False)],
)
def test_the_script_takes_a_docker_compose_that_is_young_enough(
    version: str, good: bool, tmp_path: Path
) -> None:
    program = tmp_path / "docker-compose"
    program.write_text(f"#!/bin/sh\necho {version}\n")
    program.chmod(0o755)
    done = from_debian(DOCKER_COMPOSE=str(program))
    if good:
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{program}\n", "")
    else:
        assert (done.returncode, done.stdout) == (69, "")
        assert re.fullmatch(r".* is no docker-compose 2\.20 or later that runs\n", done.stderr)


def test_the_script_refuses_options_that_it_does_not_know() -> None:
    done = from_debian("--privat")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--privat" in done.stderr


def test_the_script_says_why_there_is_no_docker_compose_to_be_had(tmp_path: Path) -> None:
    """Its mirror is a folder without an archive."""
    done = from_debian("--private", COMPOSE_CACHE=str(tmp_path), COMPOSE_MIRROR=f"file:{tmp_path}")
    assert (done.returncode, done.stdout) == (69, "")
    assert (
        done.stderr.startswith("compose-from-debian: ") or "\ncompose-from-debian: " in done.stderr
    )
    assert not list(tmp_path.glob("work.*")), "nothing is left behind"


def from_debian(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    place = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **env}
    return subprocess.run(
        [str(SCRIPT), *args], capture_output=True, text=True, check=False, timeout=60, env=place
    )


@pytest.fixture(params=[200, 503])
def page(request: pytest.FixtureRequest) -> Iterator[tuple[int, int]]:
    """A server whose `/healthz` answers with the status: its port, the status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that http.server wants
            self.send_response(request.param if self.path == "/healthz" else 404)
            self.end_headers()
            self.wfile.write(b"a reason\n")

        def log_message(self, format: str, *args: object) -> None:  # likewise
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1], request.param
        server.shutdown()
        thread.join()


def healthz(*args: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-I", str(HEALTHZ), *args]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)


def test_the_health_check_says_what_the_page_says(page: tuple[int, int]) -> None:
    port, status = page
    done = healthz(str(port))
    assert (done.returncode, done.stdout) == (int(status != 200), f"{status} a reason\n")


def test_the_health_check_fails_in_one_line_without_a_server() -> None:
    port = free_port()
    done = healthz(str(port))
    assert done.returncode == 1
    assert re.fullmatch(rf"no answer at port {port}: .+\n", done.stdout)
    assert done.stderr == ""


@pytest.mark.parametrize("args", [(), ("x",), ("1", "2")])
def test_the_health_check_wants_a_port(args: tuple[str, ...]) -> None:
    done = healthz(*args)
    assert (done.returncode, done.stdout) == (2, "usage: healthz PORT\n")
