import pytest

from headframe.runtime.errors import ConfigError
from miner.cgapi.access import Access, Right


@pytest.mark.parametrize(
    ("host", "right"),
    [
        ("127.0.0.1", Right.READ),
        ("::1", Right.READ),
        ("192.168.0.7", Right.WRITE),
        ("192.168.0.8", Right.READ),
        ("::ffff:192.168.0.7", Right.WRITE),  # an IPv4 client on a socket for both families
        ("fe80::1%eth0", Right.READ),
        ("192.168.1.7", Right.NOTHING),
        ("2001:db8::1", Right.NOTHING),
        ("", Right.NOTHING),
        ("/run/socket", Right.NOTHING),
    ],
)
def test_the_network_of_a_client_says_what_it_may_do(host: str, right: Right) -> None:
    read = ["127.0.0.1", "::1", "192.168.0.0/24", "fe80::/10"]
    assert Access.of(read, ["192.168.0.7"]).right_of(host) is right


def test_who_may_write_may_read_without_being_told_twice() -> None:
    assert Access.of([], ["10.0.0.0/8"]).right_of("10.1.2.3") > Right.READ


def test_nobody_may_anything_by_default() -> None:
    assert Access().right_of("127.0.0.1") is Right.NOTHING


def test_the_address_of_a_host_with_its_mask_is_a_network() -> None:
    assert Access.of(["192.168.0.7/24"], []).right_of("192.168.0.200") is Right.READ


@pytest.mark.parametrize("text", ["192.168.0", "10.0.0.0/33", "rig.lan", "W:127.0.0.1", ""])
def test_what_is_no_network_is_told_with_its_setting(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^api\.write: "):
        Access.of([], [text])
    with pytest.raises(ConfigError, match=r"^api\.read: "):
        Access.of([text], [])
