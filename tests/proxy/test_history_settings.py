from pathlib import Path

from proxy.history_file import Retention
from proxy.history_settings import HistorySettings, ShareLogSettings


def test_the_history_keeps_two_days_of_minutes_and_a_year_of_hours():
    assert HistorySettings().retention() == Retention(minutes_hours=48, hours_days=400)


def test_there_is_no_share_log_unless_it_is_named(tmp_path: Path):
    assert ShareLogSettings().log() is None
    log = ShareLogSettings(path=str(tmp_path / "shares.jsonl"), largest_mb=1).log()
    assert log is not None
    assert log.path == tmp_path / "shares.jsonl"
    assert not log.path.exists(), "it is not started yet"
