from proxy.names import Sender
from proxy.policy import Stale, VerdictBy, WhenDry
from proxy.terms import HubSettings, Roll


def test_by_default_the_proxy_answers_by_itself_and_lets_rigs_use_their_backup():
    settings = HubSettings()
    assert settings.verdict is VerdictBy.LOCAL
    assert settings.stale is Stale.REFUSE
    assert settings.when_dry is WhenDry.CLOSE
    assert settings.max_rigs is None
    assert settings.worker_sent(Sender("alice.1")) is None  # the upstream's own user


def test_a_roll_begins_empty():
    assert Roll() == Roll(rigs=0, turned_away=0)
