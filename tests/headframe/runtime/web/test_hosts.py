import pytest

from headframe.runtime.web.hosts import HostGuard, host_of


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("localhost", "localhost"),
        ("LocalHost:9332", "localhost"),
        ("127.0.0.1:9332", "127.0.0.1"),
        ("[::1]:9332", "::1"),
        ("[::1]", "::1"),
        ("example.org.:80", "example.org"),
        ("", ""),
    ],
)
def test_the_host_is_read_without_its_port(header: str, host: str):
    assert host_of(header) == host


@pytest.mark.parametrize(
    "header",
    [
        "localhost:9332",
        "page.localhost",
        "127.0.0.1:9332",
        "192.168.1.20:9332",
        "[::1]:9332",
        "[fd00::1]",
        "proxy:9332",
        "miner-box",
    ],
)
def test_addresses_and_names_that_nobody_can_register_are_answered(header: str):
    assert HostGuard("127.0.0.1").allows(header)


@pytest.mark.parametrize(
    "header", ["evil.example", "evil.example:9332", "127.0.0.1.evil.example", "a.b", "", ":80"]
)
def test_public_names_are_not_answered(header: str):
    assert not HostGuard("127.0.0.1").allows(header)


def test_the_bound_name_and_those_allowed_are_answered():
    guard = HostGuard("mine.example.org", ["Page.Example.com"])
    assert guard.allows("mine.example.org:9332")
    assert guard.allows("page.example.com")
    assert not guard.allows("other.example.com")


def test_an_operator_may_allow_any_name():
    assert HostGuard("127.0.0.1", ["*"]).allows("evil.example")
