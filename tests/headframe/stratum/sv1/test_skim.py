"""The shortcut past `ServerConnection`: what it is offered, and what it may know."""

from collections.abc import Callable, Iterable

from headframe.chain.share import Reason, Verdict
from headframe.chain.target import DIFFICULTY_1
from headframe.stratum.events import AuthorizeAsked, Joined, PeerFault, ServerEvent, ShareSubmitted
from headframe.stratum.sv1.chorus import Chorus
from headframe.stratum.sv1.skim import SkimmedConnection
from tests.fakes.stratum_v1 import NTIME, job_of, seat_of

YES = Verdict(reason=Reason.ACCEPTED)
PING = b'{"id":5,"method":"mining.ping","params":[]}\n'
SUBMIT = b'{"id":6,"method":"mining.submit","params":["a","11","00000000","%08x","00000001"]}\n' % (
    NTIME
)


class Skimmer:
    """Takes lines that begin with T, and remembers what it was offered."""

    def __init__(self, core: SkimmedConnection) -> None:
        self.offered: list[bytes] = []
        core.skimmer = self

    def skim(self, data: bytes) -> bytes:
        self.offered.append(data)
        while data.startswith(b"T") and b"\n" in data:
            data = data.partition(b"\n")[2]
        return data


class Listener:
    """Counts how often it was told that a connection hears no chorus any more."""

    def __init__(self) -> None:
        self.times = 0

    def parted(self) -> None:
        self.times += 1


def singing(core: SkimmedConnection) -> tuple[Chorus, Listener]:
    """Let a connection hear a chorus that showed what it was offered last."""
    chorus, listener, job = Chorus(), Listener(), job_of(0x11)
    chorus.show(job, seat_of().lane, clean=True)
    assert core.join(chorus, job, DIFFICULTY_1, listener)
    return chorus, listener


def act(core: SkimmedConnection, events: Iterable[ServerEvent]) -> None:
    for event in events:
        if isinstance(event, Joined):
            core.seat(event.ticket, seat_of())
        elif isinstance(event, AuthorizeAsked):
            core.authorize(event.ticket, ok=True)


def kinds(events: Iterable[ServerEvent]) -> list[type]:
    return [type(event) for event in events]


def seated() -> SkimmedConnection:
    core = SkimmedConnection()
    act(core, core.receive_data(b'{"id":1,"method":"mining.subscribe","params":[]}\n'))
    act(core, core.receive_data(b'{"id":2,"method":"mining.authorize","params":["a","x"]}\n'))
    core.offer(0, job_of(0x11), DIFFICULTY_1, clean=True)
    core.data_to_send()
    return core


def test_without_a_skimmer_every_line_is_read():
    core = seated()
    assert kinds(core.receive_data(SUBMIT)) == [ShareSubmitted]


def test_what_is_left_is_read():
    core = seated()
    skimmer = Skimmer(core)
    assert core.receive_data(b"T1\nT2\n") == ()
    assert kinds(core.receive_data(b"T3\n" + SUBMIT)) == [ShareSubmitted]
    assert skimmer.offered == [b"T1\nT2\n", b"T3\n" + SUBMIT]


def test_it_is_told_when_what_it_left_was_no_event():
    core = seated()
    skimmer = Skimmer(core)
    assert kinds(core.receive_data(b"T\n" + PING)) == []
    assert skimmer.offered == [b"T\n" + PING, b""]
    assert core.data_to_send() == b'{"id":5,"result":"pong","error":null}\n'


def test_it_is_offered_nothing_within_a_line_and_nothing_when_the_rig_is_not_heard_any_more():
    core = seated()
    skimmer = Skimmer(core)
    core.receive_data(b"T\n" + SUBMIT[:20])
    assert kinds(core.receive_data(SUBMIT[20:])) == [ShareSubmitted]
    assert skimmer.offered == [b"T\n" + SUBMIT[:20], b""]
    assert kinds(core.receive_data(b"{\n")) == [PeerFault]
    assert core.receive_data(b"T\n") == ()
    assert len(skimmer.offered) == 3


def test_answers_go_out_at_once_unless_an_earlier_request_is_open():
    core = seated()
    assert core.put(b"one\n")
    assert core.data_to_send() == b"one\n"
    first = core.take(b"7")
    assert not core.put(b"two\n")
    second = core.take(b'"8"')
    assert core.unanswered == 2
    core.reply(second, YES)
    assert core.data_to_send() == b""
    core.reply(first, YES)
    assert core.data_to_send() == (
        b'{"id":7,"result":true,"error":null}\n{"id":"8","result":true,"error":null}\n'
    )
    assert core.put(b"three\n")


def test_it_knows_who_may_send_and_what_was_shown():
    core = seated()
    assert [*core.names] == ["a"]
    offer = core.shown("11")
    assert offer is not None
    assert (offer.job_id, offer.size) == (0x11, 4)
    assert core.shown("12") is None


def test_a_new_job_leaves_a_rig_who_it_is():
    core = seated()
    before = core.identity
    core.offer(0, job_of(0x12), DIFFICULTY_1, clean=False)
    core.receive_data(PING)
    assert core.identity == before
    assert core.reseat(seat_of(slice_=b"\xc1\xc2\xc3")) is False
    assert core.identity > before


def test_the_revision_rises_with_all_that_may_change_a_share():
    core = seated()
    seen = [core.revision]

    def rose() -> bool:
        seen.append(core.revision)
        return seen[-1] > seen[-2]

    core.receive_data(SUBMIT)
    assert not rose()
    core.offer(0, job_of(0x12), DIFFICULTY_1, clean=False)
    assert rose()
    core.receive_data(b'{"id":3,"method":"mining.extranonce.subscribe","params":[]}\n')
    assert rose()
    assert core.reseat(seat_of(slice_=b"\xc1\xc2\xc3"))
    assert rose()
    act(core, core.receive_data(b'{"id":4,"method":"mining.authorize","params":["b","x"]}\n'))
    assert rose()
    core.permit(0x2000)
    assert rose()
    core.recall(seated().recollect())
    assert rose()


def test_shares_of_what_a_chorus_showed_are_taken():
    core = seated()
    chorus, _ = singing(core)
    line = chorus.show(job_of(0x12), seat_of().lane, clean=False)
    assert core.data_to_send() == b""  # whoever has it shown sends it
    [share] = core.receive_data(SUBMIT.replace(b'"11"', b'"12"'))
    assert isinstance(share, ShareSubmitted)
    assert (share.job_id, share.target) == (0x12, DIFFICULTY_1)
    again = seated()
    again.offer(0, job_of(0x12), DIFFICULTY_1, clean=False)
    assert again.data_to_send() == line


def test_it_hears_no_chorus_while_a_request_is_open():
    core = seated()
    [share] = core.receive_data(SUBMIT)
    chorus, listener = Chorus(), Listener()
    chorus.show(job_of(0x11), b"", clean=True)
    assert not core.join(chorus, job_of(0x11), DIFFICULTY_1, listener)
    assert isinstance(share, ShareSubmitted)
    core.reply(share.ticket, YES)
    assert core.join(chorus, job_of(0x11), DIFFICULTY_1, listener)
    assert listener.times == 0


def test_it_leaves_the_chorus_before_anything_about_it_changes():
    changes: list[Callable[[SkimmedConnection], object]] = [
        lambda core: core.offer(0, job_of(0x12), DIFFICULTY_1, clean=False),
        lambda core: core.receive_data(PING),
        lambda core: core.permit(0x2000),
        lambda core: core.recall(None),
        lambda core: core.reseat(seat_of(slice_=b"\xc1\xc2\xc3")),
        lambda core: core.part(),
    ]
    for change in changes:
        core = seated()
        chorus, listener = singing(core)
        core.receive_data(SUBMIT)
        assert listener.times == 0
        change(core)
        assert listener.times == 1
        chorus.show(job_of(0x13), b"", clean=False)
        assert core.shown("13") is None
        core.part()
        assert listener.times == 1
