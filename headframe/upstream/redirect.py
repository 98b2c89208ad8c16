"""Redirects: whether `client.reconnect` is followed.

Whoever can say one line on a plain connection can send a miner away, for ever; so the
host stays the same unless the user says otherwise. The transport is never the pool's to
choose: a redirect from TLS leads to TLS, with the same things verified for the new host.
"""

import ipaddress
from enum import StrEnum

from headframe.stratum.events import Redirected

__all__ = ["Reconnect", "domain_of", "why_not_followed"]


class Reconnect(StrEnum):
    """How far a pool may send us; the values are those of the setting."""

    OFF = "off"
    SAME_HOST = "same-host"
    SAME_DOMAIN = "same-domain"
    ANY = "any"


def why_not_followed(redirect: Redirected, *, host: str, policy: Reconnect) -> str:
    """Judge a redirect.

    Args:
        redirect: as the pool sent it.
        host: the one that is configured.
        policy: what is allowed.

    Returns:
        Why it is ignored, for people, or "" when it is followed.
    """
    if policy is Reconnect.OFF:
        return "redirects are switched off"
    there, here = (_plain(each) for each in (redirect.host or host, host))
    if policy is Reconnect.ANY or there == here:
        return ""
    if policy is Reconnect.SAME_HOST:
        return "another host"
    domain = domain_of(here)
    if domain and domain == domain_of(there):
        return ""
    return "another domain"


def domain_of(host: str) -> str:
    """Return the domain that a host's owner has registered, or "" if it is in none.

    The last two labels, and three where the last two are of the form co.uk; that is a
    guess, on the safe side for all but a few registries. Addresses and single words are in
    no domain.
    """
    host = _plain(host)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        labels = host.split(".")
    else:
        return ""
    if len(labels) < 2 or not all(labels):
        return ""
    shared = len(labels[-1]) == 2 and len(labels[-2]) <= 3
    count = 3 if shared else 2
    return ".".join(labels[-count:]) if len(labels) >= count else ""


def _plain(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()
