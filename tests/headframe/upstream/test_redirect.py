"""Which redirects are followed."""

import pytest

from headframe.stratum.events import Redirected
from headframe.upstream.redirect import Reconnect, domain_of, why_not_followed

OFF, HOST, DOMAIN, ANY = Reconnect


def to(host: str) -> Redirected:
    return Redirected(host=host, port=3333, wait_seconds=0)


@pytest.mark.parametrize(
    ("here", "there", "least"),
    [
        ("pool.test", "", HOST),
        ("pool.test", "pool.test", HOST),
        ("pool.test", "POOL.test.", HOST),
        ("::1", "[::1]", HOST),
        ("eu.pool.test", "us.pool.test", DOMAIN),
        ("pool.test", "us.pool.test", DOMAIN),
        ("a.pool.co.uk", "b.pool.co.uk", DOMAIN),
        ("pool.test", "pool.test.evil.test", ANY),
        ("pool.test", "evilpool.test", ANY),
        ("one.co.uk", "other.co.uk", ANY),
        ("127.0.0.1", "127.0.0.2", ANY),
        ("10.1.2.3", "9.1.2.3", ANY),
        ("localhost", "otherhost", ANY),
        ("pool.test", "pool..test", ANY),
    ],
)
def test_a_redirect_is_followed_from_some_policy_on(
    here: str, there: str, least: Reconnect
) -> None:
    order = list(Reconnect)
    for policy in Reconnect:
        why_not = why_not_followed(to(there), host=here, policy=policy)
        assert (why_not == "") == (order.index(policy) >= order.index(least))


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("pool.test", "pool.test"),
        ("a.b.pool.test.", "pool.test"),
        ("pool.co.uk", "pool.co.uk"),
        ("co.uk", ""),
        ("eu.pool.de", "pool.de"),
        ("1.2.3.4", ""),
        ("[2001:db8::1]", ""),
        ("localhost", ""),
        ("", ""),
    ],
)
def test_the_domain_of_a_host(host: str, domain: str) -> None:
    assert domain_of(host) == domain
