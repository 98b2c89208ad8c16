"""URLs of upstreams."""

import pytest

from headframe.runtime.errors import ConfigError
from headframe.upstream.endpoint import Endpoint, parse_url

PORTS = {"stratum+tcp": 3333, "stratum+ssl": 3333, "bitcoind+http": 0}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("stratum+tcp://pool.test:3333", ("stratum+tcp", "pool.test", 3333, "", "")),
        ("stratum+tcp://pool.test", ("stratum+tcp", "pool.test", 3333, "", "")),
        ("STRATUM+TCP://Pool.Test:1/", ("stratum+tcp", "pool.test", 1, "", "")),
        (" stratum+tcp://10.0.0.1:3333\n", ("stratum+tcp", "10.0.0.1", 3333, "", "")),
        ("stratum+ssl://[::1]:4444", ("stratum+ssl", "::1", 4444, "", "")),
        ("stratum+tcp://a.b:c@h:1", ("stratum+tcp", "h", 1, "a.b", "c")),
        ("bitcoind+http://u%40x:p%3Aq%2F@h:1", ("bitcoind+http", "h", 1, "u@x", "p:q/")),
        ("bitcoind+http://u@h:18443", ("bitcoind+http", "h", 18443, "u", "")),
    ],
)
def test_urls_are_taken_apart(url: str, expected: tuple[str, str, int, str, str]) -> None:
    scheme, host, port, user, password = expected
    assert parse_url(url, PORTS) == Endpoint(
        scheme=scheme, host=host, port=port, user=user, password=password
    )


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("pool.test:3333", "has no scheme: write one of stratum+tcp, stratum+ssl, bitcoind+http"),
        ("", "has no scheme"),
        (
            "stratum+tpc://h:1",
            "there are stratum+tcp, stratum+ssl, bitcoind+http; did you mean stratum+tcp?",
        ),
        ("stratum+tcps://h:1", "did you mean stratum+ssl?"),  # nearest by spelling: without TLS
        ("http://h:1", "did you mean bitcoind+http?"),
        ("gopher://h:1", "no scheme 'gopher', there are"),
        ("stratum+tcp://", "names no host"),
        ("stratum+tcp://:3333", "names no host"),
        ("stratum+tcp://h:port", "cannot be read"),
        ("stratum+tcp://h:99999", "cannot be read"),
        ("stratum+tcp://[::1:3", "cannot be read"),
        ("stratum+tcp://h:1/wallet", "something behind the port"),
        ("stratum+tcp://h:1?x=1", "something behind the port"),
        ("bitcoind+http://h", "has no port"),
    ],
)
def test_what_is_no_url_is_refused_in_one_line(url: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_url(url, PORTS)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "gopher://me:hunter2@h:1",
        "stratum+tcp://me:hunter2@h:x",
        "stratum+tcp://me:hunter2/@h:1",  # what should have been escaped looks like a port
        "stratum+tcp://me:@/hunter2@h:1",
    ],
)
def test_a_password_is_never_repeated(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_url(url, PORTS)
    assert "hunter" not in str(caught.value)


def test_a_place_is_written_so_that_it_can_be_used() -> None:
    assert parse_url("stratum+tcp://u:p@[::1]:3333", PORTS).url == "stratum+tcp://[::1]:3333"
    assert parse_url("stratum+tcp://u:p@host", PORTS).url == "stratum+tcp://host:3333"
