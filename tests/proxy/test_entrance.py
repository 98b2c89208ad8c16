from pathlib import Path

import pytest

from headframe.runtime.certificate import certificate_until
from headframe.runtime.errors import ConfigError
from headframe.runtime.tls import certificate_der, certificate_fingerprint
from proxy.entrance import entrance_of
from proxy.tables import ListenerSettings
from tests.fakes.certificates import write_certificate


def test_rigs_come_in_plain_by_default():
    entrance = entrance_of(ListenerSettings())
    assert (entrance.tls, entrance.trusted, entrance.fingerprint) == (None, None, "")


def test_a_certificate_makes_it_tls(tmp_path: Path):
    chain, key = write_certificate(tmp_path)
    entrance = entrance_of(ListenerSettings(certificate=chain, certificate_key=key))
    assert entrance.tls is not None
    assert entrance.fingerprint == certificate_fingerprint(chain)
    assert entrance.until == certificate_until(certificate_der(chain))


def test_tls_may_come_through_a_balancer(tmp_path: Path):
    chain, key = write_certificate(tmp_path)
    entrance = entrance_of(
        ListenerSettings(
            certificate=chain,
            certificate_key=key,
            proxy_protocol=True,
            proxy_from=("10.0.0.5",),
        )
    )
    assert entrance.tls is not None
    assert [str(each) for each in entrance.trusted or ()] == ["10.0.0.5/32"]


def test_balancers_are_networks():
    entrance = entrance_of(
        ListenerSettings(proxy_protocol=True, proxy_from=("10.0.0.5", "2001:db8::/32"))
    )
    assert [str(each) for each in entrance.trusted or ()] == ["10.0.0.5/32", "2001:db8::/32"]


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"certificate": "x"}, "belong together; one's own is made by: openssl"),
        ({"certificate_key": "x"}, "belong together"),
        ({"certificate": "no", "certificate_key": "no"}, "no: no such file"),
        ({"proxy_protocol": True}, "needs proxy_from"),
        ({"proxy_from": ("10.0.0.1",)}, "needs proxy_from"),
        ({"proxy_protocol": True, "proxy_from": ("home",)}, "'home' is no range"),
    ],
)
def test_what_cannot_work_is_one_line(told: dict[str, object], why: str):
    with pytest.raises(ConfigError, match=why) as caught:
        entrance_of(ListenerSettings(**told))  # type: ignore[arg-type] # by name
    assert "\n" not in str(caught.value)
