import pytest

from headframe.runtime.errors import ConfigError
from proxy.names import Sender
from proxy.tables import ListenerSettings, NameSettings


@pytest.mark.parametrize(
    ("settings", "label"),
    [
        (ListenerSettings(), "127.0.0.1:3333"),
        (ListenerSettings(host="::1", port=4444), "[::1]:4444"),
        (ListenerSettings(host="", port=1), "*:1"),
        (ListenerSettings(name="asic", port=1), "asic"),
    ],
)
def test_a_listener_is_called_by_its_name_or_place(settings: ListenerSettings, label: str):
    assert settings.label == label


def test_names_are_made_of_settings():
    settings = NameSettings(mode="template", template="acc.{rig}", longest=6)
    assert settings.naming().rule()(Sender("me.rig7")) == "acc.ri"


def test_a_template_that_cannot_be_used_is_a_configuration_error():
    with pytest.raises(ConfigError, match=r"names\.template '\{x\}': expected some of"):
        NameSettings(mode="template", template="{x}").naming()
