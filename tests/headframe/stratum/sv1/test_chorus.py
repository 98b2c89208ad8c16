import json

from headframe.stratum.sv1.chorus import MAX_OFFERS, Chorus, Song
from tests.fakes.stratum_v1 import job_of


def test_its_line_shows_the_job_behind_the_lane():
    for clean in (True, False):
        line = json.loads(Chorus().show(job_of(0x11), b"\xa1\xa2", clean=clean))
        assert (line["id"], line["method"]) == (None, "mining.notify")
        assert (line["params"][0], line["params"][-1]) == ("11", clean)
        assert line["params"][2].endswith("a1a2")


def test_what_was_shown_before_one_came_is_not_found_for_it():
    chorus = Chorus()
    for number in (0x11, 0x12, 0x13):
        chorus.show(job_of(number), b"", clean=False)
    assert chorus.count == 3
    assert chorus.find("11", 2) is None
    assert chorus.find("14", 1) is None
    assert chorus.find("12", 2) == Song(2, job_of(0x12).id, job_of(0x12).version)
    assert list(chorus.heard(2)) == ["12", "13"]


def test_the_oldest_is_forgotten():
    chorus = Chorus()
    for number in range(1, MAX_OFFERS + 2):
        chorus.show(job_of(number), b"", clean=False)
    assert chorus.find("1", 1) is None
    assert chorus.find("2", 1) is not None
    assert len(chorus.heard(1)) == MAX_OFFERS
