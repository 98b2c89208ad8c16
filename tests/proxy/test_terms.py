from proxy.names import Sender
from proxy.policy import Stale, VerdictBy, WhenDry
from proxy.terms import HubSettings


def test_by_default_the_proxy_answers_by_itself_and_lets_rigs_use_their_backup():
    settings = HubSettings()
    assert settings.verdict is VerdictBy.LOCAL
    assert settings.stale is Stale.REFUSE
    assert settings.when_dry is WhenDry.CLOSE
    assert settings.worker_sent(Sender("alice.1")) is None  # the upstream's own user
