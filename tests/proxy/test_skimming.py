"""Shares taken ahead by the judge in C: whatever a rig sends, it makes no difference but in speed.

Two rigs that are told and say the same are compared: one whose lines are skimmed, and one for
which `ServerConnection` reads every line.
"""

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.chain.share import Reason, Verdict
from headframe.chain.target import Target
from headframe.stratum.core import ServerCore
from headframe.stratum.sv1.server import ServerConnection
from headframe.stratum.sv1.skim import SkimmedConnection
from native.compiled import extension_missing
from proxy.hub import HubSettings
from proxy.jobbook import Entry
from proxy.ledger import Row
from proxy.policy import Stale, VerdictBy
from proxy.sharelog_lines import Judged
from proxy.uplink import Parcel
from tests.fakes.mining import NTIME, ManualSource
from tests.fakes.proxying import rig_settings
from tests.fakes.wireless import WirelessRig

needs_extension = pytest.mark.skipif(bool(extension_missing), reason=extension_missing or "there")

OFTEN = Target(2**256 * 3 // 4)
"""Three hashes in four."""
ALL = Target(2**256 - 1)
RARE = Target(2**256 // 500)
UP = Target(2**256 // 8)
BLOCK = 2**256 // 1000


@dataclass
class Notes:
    """A share log that keeps what it is told."""

    told: list[tuple[object, ...]] = field(default_factory=list)

    def share(self, row: Row, entry: Entry | None, judged: Judged) -> None:
        share = judged.share
        fields = (share.worker, share.job_id, share.extranonce, share.ntime, share.nonce)
        more = (share.version, share.target, judged.checked, judged.work, judged.mask)
        self.told.append(("share", row.name, entry and entry.job.id, *fields, *more))

    def refused(self, row: Row, rig: str, reason: Reason) -> None:
        self.told.append(("refused", row.name, rig, reason))

    def sent(self, parcel: Parcel, *, rescued: bool = False, block: bool = False) -> None:
        self.told.append(("sent", parcel.share, parcel.worker, rescued, block))

    def answered(self, parcel: Parcel, verdict: Verdict, *, rescued: bool) -> None:
        self.told.append(("answered", parcel.share, verdict, rescued))


class Twins:
    """A rig that is skimmed and one that is not, and what must not differ."""

    def __init__(
        self, hub: HubSettings, start: Target, up: Target, *, noted: bool, asks: bool
    ) -> None:
        self.up = up
        self.both: list[WirelessRig] = []
        self.notes: list[Notes] = []
        cores: tuple[ServerCore, ...] = (SkimmedConnection(), ServerConnection())
        for core in cores:
            source = ManualSource()
            source.verdict = None if asks else source.verdict
            rig = WirelessRig(core, hub, rig_settings(start=start), source=source)
            rig.publish(target=up, block_target=BLOCK)
            rig.join("rig", "second.one")
            rig.take_sent()  # a session id is drawn
            self.both.append(rig)
            self.notes.append(Notes())
            if noted:
                rig.hub.note_shares(self.notes[-1])  # type: ignore[arg-type] # like a Tap
        self.jobs: list[str] = []
        self.heard, self.open = 0, list[int]()
        self.publish("same")

    def publish(self, kind: str) -> None:
        for rig in self.both:
            if kind == "block":
                rig.maker.new_block()
            mask = 0x1FFFE000 if kind != "mask" else 0x00FFE000
            target = self.up if kind != "target" else Target(self.up // 3)
            coinbase = str(len(self.jobs)).encode()
            rig.publish(target=target, block_target=BLOCK, mask=mask, coinbase=coinbase)
        entry = self.both[0].hub.book
        assert entry is not None
        assert entry.current is not None
        self.jobs.append(f"{entry.current.job.id:x}")

    def lose(self) -> None:
        """Let all jobs die; nothing new is shown."""
        for rig in self.both:
            rig.maker.new_block()
            book = rig.hub.book
            assert book is not None
            book.note_generation(rig.maker.lineage.source, rig.maker.lineage.generation)
            rig.hub.space.note_generation(rig.maker.lineage.source, rig.maker.lineage.generation)

    def pass_time(self, seconds: float, *, alone: bool) -> None:
        for rig in self.both:
            rig.time.now += seconds
            book = rig.hub.book
            assert book is not None
            again = book.refresh(rig.time.monotonic())
            if again is not None and alone:
                rig.session.show(again, rig.time.monotonic())
            elif again is not None:
                rig.show_all(again)
            rig.session.tick(rig.time.monotonic())

    def leave(self) -> None:
        """Let both rigs go: their slices rest until the last job that they were shown is dead."""
        for rig in self.both:
            rig.session.close("idle")
        self.compare()
        assert len({rig.resting for rig in self.both}) == 1
        self.lose()
        assert {rig.resting for rig in self.both} == {0}

    def answer(self, number: int, verdict: Verdict) -> None:
        """Let the pool answer one of the shares that are open."""
        for rig in self.both:
            if self.open:
                rig.source.sent[self.open[number % len(self.open)]][2](verdict)
        if self.open:
            del self.open[number % len(self.open)]

    def compare(self) -> None:
        count = len(self.both[0].source.sent)
        if self.both[0].source.verdict is None:
            self.open += range(self.heard, count)
        self.heard = count
        ours, theirs = [self.seen(*each) for each in zip(self.both, self.notes, strict=True)]
        assert ours == theirs
        for rig in self.both:
            rig.hub.ledger.verify()

    def seen(self, rig: WirelessRig, notes: Notes) -> dict[str, object]:
        seats = [*rig.session.rigs]
        return {
            "sent": rig.take_sent(),
            "closed": rig.transport.closed,
            "books": (rig.hub.ledger.total, rig.hub.ledger.workers),
            "up": [(share, worker) for share, worker, _ in rig.source.sent],
            "noted": notes.told,
            "counts": [(each.accepted, each.rejected, each.told) for each in seats],
            "shown": [each.entry and each.entry.job.id for each in seats],
            "targets": [each.vardiff.target for each in seats],
            "hps": [round(each.hps(rig.time.now), 6) for each in seats],
            "unanswered": rig.core.unanswered,
            "full": rig.hub.book is not None and rig.hub.book.full,
        }


PLAIN = '{{"id":{id},"method":"mining.submit","params":[{params}]}}'
ODDITIES: dict[str, list[Any]] = {
    "shape": [
        '{{"params": [{params}], "id": {id}, "method": "mining.submit"}}',
        ' {{ "method" : "mining.submit" ,\t"params":[ {params} ] , "id":{id} }} \r',
        '{{"jsonrpc":"2.0","id":{id},"method":"mining.submit","params":[{params}]}}',
        '{{"id":{id},"id":{id},"method":"mining.submit","params":[{params}]}}',
        '{{"method":"mining.submit","params":[{params}]}}',
        '{{"id":{id},"method":"mining.submit","params":{{"a":[{params}]}}}}',
        '{{"id":{id},"method":"mining.submit","params":[{params},"more"]}}',
        '{{"id":{id},"method":"mining\\u002esubmit","params":[{params}]}}',
        '{{"id":{id},"method":"mining.submit","params":[{params}]}}}}',
        '{{"id":{id},"method":"mining.submit","params":[{params}]',
    ],
    "id": [
        *("0", "4294967296", "123456789012345678", "1234567890123456789", '"a"', '""', "01"),
        *('"\\u00e9"', '"x y"', '"' + "q" * 60 + '"', "null", "-1", "1.5", "[1]", "true"),
    ],
    "worker": ["second.one", "stranger", 'qu\\"ote', "r\u00fcg", "", "rig "],
    "job": [1, 1, 1, 2, 3, -1],  # of those shown, the newest is 0; -1 is none of ours
    "odd_job": ["%s ", "0%s", "J%s"],
    "extranonce": ["0000000A", "0000000a", "000000", "0000000000", "zz000000", "0000 000"],
    "ntime": [1, 2, 60, -1, 7000, 7001, 2**31],
    "hex": ["%08X", "%x", "0x%06x", " %07x", "%010x"],
    "bits": [*("00000000", "00002000", "1fffe000", "1FFFE000", "20000000"), "2000", "", "zz"],
}
OTHERS = [
    '{"id":8,"method":"mining.ping","params":[]}',
    '{"id":9,"method":"mining.configure","params":[["version-rolling"],'
    '{"version-rolling.mask":"1fffe000"}]}',
    '{"id":9,"method":"mining.configure","params":[["version-rolling"],'
    '{"version-rolling.mask":"00ffe000"}]}',
    '{"id":10,"method":"mining.suggest_difficulty","params":[0.000000001]}',
    '{"id":11,"method":"mining.authorize","params":["stranger","x"]}',
    '{"id":12,"method":"mining.unheard_of","params":[]}',
    '{"id":13,"result":true,"error":null}',
    "",
    " \t ",
]
FATAL = ["{", "\x16\x03\x01", '{"id":1,"method":3}', "x" * 17_000]
ANSWERS = [Reason.ACCEPTED, Reason.LOW_DIFFICULTY, Reason.LOST]


def some_line(dice: Random, oddness: float) -> Any:
    """Draw a line: mostly a good share, sometimes one with an oddity, or no share at all."""
    if dice.random() < oddness / 4:
        return dice.choice(OTHERS)
    plain = {"shape": PLAIN, "id": "1", "worker": "rig", "job": 0, "odd_job": "%s", "ntime": 0}
    found = {"nonce": dice.randrange(500), "extranonce": f"{dice.randrange(2):08x}"}
    plain["worker"] = dice.choice(["rig"] * 9 + ["second.one"])
    line = {**plain, "hex": "%08x", "bits": dice.choice([None, "00000000"]), **found}
    while dice.random() < oddness:
        field = dice.choice([*ODDITIES])
        line[field] = dice.choice(ODDITIES[field])
    return line


def some_event(dice: Random, oddness: float) -> Any:
    """Draw what happens next: mostly that lines arrive."""
    match dice.randrange(20):
        case 0:
            return "job", dice.choice(["same", "same", "block", "mask", "target", "lost", "lost"])
        case 1:
            return "time", dice.choice([0.0, 0.4, 2.0, 31.0]), dice.random() < 0.5
        case 2 | 3:
            return "answer", dice.randrange(6), dice.choice(ANSWERS)
    lines = [some_line(dice, oddness) for _ in range(dice.choice([1, 1, 2, 8, 50]))]
    cuts = [dice.randrange(1500) for _ in range(dice.choice([0, 0, 1, 3]))]
    return "read", lines, cuts


def line_of(spec: Any, shown: list[str]) -> str:
    if isinstance(spec, str):
        return spec
    known = 0 <= spec["job"] < len(shown)
    job = spec["odd_job"] % (shown[-1 - spec["job"]] if known else "ffff")
    numbers = ((NTIME + spec["ntime"]) % 2**32, spec["nonce"])
    items = [spec["worker"], job, spec["extranonce"], *(spec["hex"] % each for each in numbers)]
    items += [] if spec["bits"] is None else [spec["bits"]]
    params = ",".join(f'"{each}"' for each in items)
    return str(spec["shape"].format(id=spec["id"], params=params))


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    return [data[a:b] for a, b in zip([0, *ends], ends, strict=False) if a < b]


def act(twins: Twins, event: Any) -> None:
    match event:
        case ("read", lines, cuts):
            data = "".join(line_of(each, twins.jobs) + "\n" for each in lines).encode()
            for piece in pieces(data, cuts):
                for rig in twins.both:
                    if not rig.transport.closed:
                        rig.hear(piece)
        case ("job", "lost"):
            twins.lose()
        case ("job", kind):
            twins.publish(kind)
        case ("time", seconds, alone):
            twins.pass_time(seconds, alone=alone)
        case ("answer", number, reason):
            twins.answer(number, Verdict(reason=reason))


@needs_extension
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    verdict=st.sampled_from(list(VerdictBy)),
    stale=st.sampled_from(list(Stale)),
    noted=st.booleans(),
    asks=st.booleans(),
)
def test_what_is_skimmed_is_judged_booked_and_answered_as_all_else(
    seed: int, verdict: VerdictBy, stale: Stale, noted: bool, asks: bool
) -> None:
    dice = Random(seed)
    start, up = dice.choice([(ALL, RARE), (ALL, UP), (OFTEN, UP)])
    hub = HubSettings(verdict=verdict, stale=stale)
    twins = Twins(hub, start, up, noted=noted, asks=asks)
    oddness = dice.choice([0.01, 0.12])
    script = [some_event(dice, oddness) for _ in range(dice.randrange(25))]
    script += [("read", [dice.choice(FATAL)], [])] * (dice.random() < 0.2)

    async def play() -> None:  # in a loop, since a wire that is closed sets a timer
        twins.compare()
        for event in script:
            act(twins, event)
            twins.compare()
        twins.leave()

    asyncio.run(play())


@needs_extension
@pytest.mark.parametrize("news", ["lose", "mask"])
def test_what_changes_without_a_new_job_for_the_rig_counts_at_once(news: str) -> None:
    twins = Twins(HubSettings(), ALL, RARE, noted=False, asks=False)
    plain = {"shape": PLAIN, "id": "1", "worker": "rig", "job": 0, "odd_job": "%s", "ntime": 0}
    lines = [
        {**plain, "hex": "%08x", "bits": "10000000", "nonce": nonce, "extranonce": "00000000"}
        for nonce in range(20)
    ]
    configure = OTHERS[1].replace("00ffe000", "1fffe000")
    act(twins, ("read", [configure], []))
    act(twins, ("read", lines[:10], []))
    twins.compare()
    if news == "lose":
        twins.lose()
    else:  # the pool allows fewer bits from now on, also for jobs that rigs have
        for rig in twins.both:
            book = rig.hub.book
            assert book is not None
            book.add(rig.maker.make(mask=0x00FFE000, coinbase=b"narrow"), 0.0)
    act(twins, ("read", lines[10:], []))
    twins.compare()
    refused = twins.both[0].hub.ledger.total.refused
    reason = Reason.STALE if news == "lose" else Reason.BAD_VERSION
    assert refused[reason].shares >= 8
    assert twins.both[0].hub.ledger.total.accepted.shares >= 8
