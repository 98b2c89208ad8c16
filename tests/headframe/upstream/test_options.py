"""The settings of upstreams, as they stand in a file."""

from pathlib import Path

import msgspec
import pytest

from headframe.runtime import settings
from headframe.runtime.errors import ConfigError
from headframe.runtime.settings_fields import fields_of
from headframe.upstream.options import PoolsSettings, StrategyName, UpstreamSettings
from headframe.upstream.redirect import Reconnect


@pytest.mark.parametrize("struct", [PoolsSettings, UpstreamSettings])
def test_every_setting_is_described(struct: type[msgspec.Struct]) -> None:
    for field in fields_of(struct):
        assert field.description.endswith("."), field.name
        assert f"`{field.name}`" in settings.reference(struct)


def test_names_of_choices_stand_in_a_file_as_they_are_documented(tmp_path: Path) -> None:
    file = tmp_path / "u.toml"
    file.write_text('url = "stratum+tcp://h"\nreconnect = "same-domain"\nweight = 0\n')
    loaded = settings.load(UpstreamSettings, path=file)
    assert loaded.reconnect is Reconnect.SAME_DOMAIN
    assert loaded.weight == 0
    file.write_text('strategy = "quota"\n')
    assert settings.load(PoolsSettings, path=file).strategy is StrategyName.QUOTA


@pytest.mark.parametrize(
    "line",
    [
        'reconnect = "everywhere"',
        "weight = -1",
        "suggest_difficulty = 0",
        "ntime_roll_seconds = 7201",
        "job_seconds = 0",
        "max_rejects = 0",
    ],
)
def test_values_that_cannot_be_are_refused_by_name(tmp_path: Path, line: str) -> None:
    file = tmp_path / "u.toml"
    file.write_text(f'url = "stratum+tcp://h"\n{line}\n')
    with pytest.raises(ConfigError, match=line.split(maxsplit=1)[0]):
        settings.load(UpstreamSettings, path=file)
