"""How rigs come in by a listener: plain or with TLS, themselves or through a balancer."""

import ssl
from dataclasses import dataclass

from headframe.runtime.certificate import certificate_until
from headframe.runtime.errors import ConfigError
from headframe.runtime.tls import (
    HOW_TO_MAKE_ONE,
    certificate_der,
    certificate_fingerprint,
    server_context,
)
from proxy.routes import Network, parse_network
from proxy.tables import ListenerSettings

__all__ = ["Entrance", "entrance_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """How rigs come in.

    Attributes:
        tls: what the listener shows; `None` without TLS.
        fingerprint: SHA-256 of its certificate in hex, for those who pin it.
        until: when that certificate ends, in seconds since 1970.
        trusted: networks whose PROXY header is required and believed; `None`: rigs come
            without one.
        handshake_seconds: how long TLS may take.
    """

    tls: ssl.SSLContext | None = None
    fingerprint: str = ""
    until: float | None = None
    trusted: tuple[Network, ...] | None = None
    handshake_seconds: float = 10.0


def entrance_of(settings: ListenerSettings) -> Entrance:
    """Make what a listener is told.

    Raises:
        ConfigError: the certificate cannot be used, or the settings contradict each other.
    """
    where = f"listener {settings.label}"
    if bool(settings.certificate) != bool(settings.certificate_key):
        raise ConfigError(
            f"{where}: certificate and certificate_key belong together; one's own is made by: "
            f"{HOW_TO_MAKE_ONE}"
        )
    if settings.proxy_protocol != bool(settings.proxy_from):
        raise ConfigError(
            f"{where}: proxy_protocol = true needs proxy_from, the addresses of the balancers, "
            "and the other way round"
        )
    trusted = _networks(settings, where) if settings.proxy_protocol else None
    if not settings.certificate:
        return Entrance(trusted=trusted)
    tls = server_context(settings.certificate, settings.certificate_key)
    return Entrance(
        tls=tls,
        fingerprint=certificate_fingerprint(settings.certificate),
        trusted=trusted,
        until=certificate_until(certificate_der(settings.certificate)),
        handshake_seconds=min(settings.handshake_seconds, 10.0),
    )


def _networks(settings: ListenerSettings, where: str) -> tuple[Network, ...]:
    networks = []
    for text in settings.proxy_from:
        try:
            networks.append(parse_network(text))
        except ValueError as error:
            raise ConfigError(f"{where}: proxy_from: {text!r} is no range: {error}") from None
    return tuple(networks)
