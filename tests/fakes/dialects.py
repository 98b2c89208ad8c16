"""Rigs that speak as firmware does: our own client core, with each one's habits laid over it.

What the core says is changed on its way out: ids, order, hex, parameters. Answers are held
against what was asked, in order and by the exact id; whatever does not fit is kept in
`faults`. Where a habit comes from is said by the row.
"""

import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from headframe.runtime.wire import Wire
from headframe.stratum.events import ClientEvent
from headframe.stratum.sv1.client import ClientConnection
from tests.fakes.rig import Rig

__all__ = ["DIALECTS", "Dialect", "DialectRig"]

Params = list[Any]
Ids = Callable[[int, str], object]
_NUMBER = re.compile(rb'"mining\.set_difficulty","params":\[([^\]]*)\]')


def _plain(serial: int, _method: str) -> object:
    return serial


def _same_for_submits(serial: int, method: str) -> object:
    """cpuminer: every submit has the id 4."""
    return 4 if method == "mining.submit" else serial


def _words(serial: int, method: str) -> object:
    """BFGMiner: texts; what it suggests has none."""
    if method in {"mining.suggest_target", "mining.capabilities"}:
        return None
    return {"mining.authorize": "auth", "mining.extranonce.subscribe": "xnsub"}.get(
        method, f"txlist{serial}" if "transactions" in method else serial
    )


def _from_zero(serial: int, _method: str) -> object:
    return serial - 1


def _large(serial: int, _method: str) -> object:
    return 2**63 + serial


def _strange(serial: int, _method: str) -> object:
    """No firmware: all that JSON allows."""
    return (1.5, [serial], {"a": serial}, True, "é\u2028", -1, 0, "")[serial % 8]


def _as_is(params: Params) -> Params:
    return params


def _six(params: Params) -> Params:
    return [*params, "00000000"][:6]


def _upper(params: Params) -> Params:
    return [*params[:2], *(item.upper() for item in params[2:])]


def _unpadded(params: Params) -> Params:
    return [*params[:4], params[4].lstrip("0") or "0", *params[5:]]


def _numbers(params: Params) -> Params:
    return [*params[:3], *(int(item, 16) for item in params[3:])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One way to speak.

    Attributes:
        agent: what it calls itself.
        ids: makes the id of a request.
        waits: it sends the next request of its handshake when the last is answered.
        first: methods in the order in which it sends its handshake; others come after.
        subscribe: makes the parameters of subscribe.
        configure: changes the parameters of configure.
        submit: changes the parameters of submit.
        more: what else it says, in its handshake, as (before which method, method, params).
        rolls: it negotiates version rolling.
        extranonce: it asks for changes of its extranonce.
        user: its name.
        whole: it cannot read a difficulty with a point in a whole number.
        frame: writes a line.
    """

    agent: str
    ids: Ids = _plain
    waits: bool = False
    first: tuple[str, ...] = ()
    subscribe: Callable[[Params], Params] = _as_is
    configure: Callable[[Params], Params] = _as_is
    submit: Callable[[Params], Params] = _as_is
    more: tuple[tuple[str, str, Params], ...] = ()
    rolls: bool = True
    extranonce: bool = False
    user: str = "farm.rig"
    whole: bool = False
    frame: Callable[[bytes], bytes] = field(default=lambda line: line + b"\n")


def _no_bit_count(params: Params) -> Params:
    return [params[0], {"version-rolling.mask": "ffffffff"}]


DIALECTS: dict[str, Dialect] = {
    "cpuminer": Dialect(  # pooler/cpuminer: util.c, cpu-miner.c
        agent="cpuminer/2.5.1", ids=_same_for_submits, waits=True, rolls=False
    ),
    "cpuminer-opt": Dialect(  # JayDDee/cpuminer-opt: util.c
        agent="cpuminer-opt-25.3",
        ids=lambda serial, method: 1 if "suggest" in method else _same_for_submits(serial, method),
        waits=True,
        rolls=False,
        extranonce=True,
        more=(("", "mining.suggest_difficulty", ["0.500000"]),),
    ),
    "cgminer": Dialect(  # ckolivas/cgminer: util.c
        agent="cgminer/4.12.1",
        waits=True,
        configure=_no_bit_count,
        more=(("", "mining.suggest_difficulty", [42]),),
    ),
    "cgminer-4.9": Dialect(agent="cgminer/4.9.2", waits=True, rolls=False, whole=True),
    "avalon": Dialect(agent="cgminer/4.11.1", submit=_upper, user="farm." + "a" * 58),
    "bfgminer": Dialect(  # luke-jr/bfgminer: util.c
        agent="bfgminer/5.5.0",
        ids=_words,
        rolls=False,
        more=(
            ("mining.subscribe", "mining.capabilities", [{}]),
            ("mining.subscribe", "mining.suggest_target", ["00000000ffff" + "0" * 52]),
            ("", "mining.get_transactions", ["1"]),
        ),
    ),
    "esp-miner": Dialect(  # bitaxeorg/ESP-Miner: stratum_api.c
        agent="bitaxe/BM1370/v2.9.0",
        configure=_no_bit_count,
        submit=_six,
        more=(("", "mining.suggest_difficulty", [1000]),),
    ),
    "nerdminer": Dialect(  # BitMaker-hub/NerdMiner_v2: src/stratum.cpp
        agent="NerdMinerV2/1.8.3",
        waits=True,
        rolls=False,
        submit=_unpadded,
        more=(
            ("", "mining.suggest_difficulty", [0.00015]),
            ("", "mining.suggest_difficulty", [0.00015]),
        ),
    ),
    "bosminer": Dialect(  # braiins/braiins: test_utils/v1.rs
        agent="2024-07-12-0-fc9fe388-24.06-plus;bosminer-plus-tuner 0.9.0",
        ids=_from_zero,
        submit=_six,
        subscribe=lambda params: [params[0], None, "pool.example:3333", None],
    ),
    "whatsminer": Dialect(agent="whatsminer/v1.0", configure=_no_bit_count),
    "antminer": Dialect(
        agent="Antminer S19/Tue",
        first=("mining.configure", "mining.authorize", "mining.subscribe"),
        configure=lambda params: [params[0], {**params[1], "version-rolling.min-bit-count": 2}],
    ),
    "antminer-s21": Dialect(agent="Antminer S21/Thu", subscribe=lambda params: params[:1]),
    "nicehash": Dialect(agent="NiceHash/1.0.0", extranonce=True),
    "apollo": Dialect(agent="apollo"),
    "nameless": Dialect(agent="", subscribe=lambda _params: []),  # cpuminer's second try
    "epic": Dialect(agent="PowerPlay-BM/1.0", frame=lambda line: b"  " + line + b" \r\n\n"),
    "sri": Dialect(  # stratum-mining/stratum: sv1
        agent="SRI/1",
        ids=_large,
        submit=_numbers,
        frame=lambda line: b'{"jsonrpc":"2.0",' + line[1:] + b"\n",
    ),
    "late": Dialect(  # configure after everything else, and a word that nobody knows
        agent="late/1",
        first=("mining.authorize", "mining.subscribe"),
        more=(("", "mining.unheard", []), ("", "mining.suggest_difficulty(42)", [])),
    ),
    "strange": Dialect(agent="\u00e9\u2028", ids=_strange, subscribe=lambda p: [*p, "more", 7]),
}
"""The table; a contract test runs each of them against the proxy."""


class _Spoken:
    """The core of a connection, between our own core and the wire."""

    def __init__(self, inner: ClientConnection, dialect: Dialect) -> None:
        self.faults: list[str] = []
        self.numbers: list[str] = []
        self._inner = inner
        self._dialect = dialect
        self._serial = 0
        self._handshake = len(dialect.more) + 2 + dialect.rolls + dialect.extranonce
        self._said: deque[tuple[object, int | None]] = deque()
        self._held: deque[tuple[int | None, str, Params]] = deque()
        self._rest = b""

    def receive_data(self, data: bytes) -> Sequence[ClientEvent]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        found = _NUMBER.search(data)
        if found is not None:
            self._look_at(found[1].decode())
        return self._inner.receive_data(b"".join(self._heard(line) for line in lines))

    def receive_eof(self) -> Sequence[ClientEvent]:
        return self._inner.receive_eof()

    def data_to_send(self) -> bytes:
        for line in self._inner.data_to_send().splitlines():
            message = json.loads(line)
            self._held.extend(self._turned(message["id"], message["method"], message["params"]))
        held, order = list(self._held), self._dialect.first
        if order and held:
            rank = {method: place for place, method in enumerate(order)}
            held.sort(key=lambda item: rank.get(item[1], len(order)))
            self._held = deque(held)
        out = b""
        while self._held and not (self._dialect.waits and self._said and self._serial):
            out += self._write(*self._held.popleft())
        return out

    def _turned(
        self, ours: int | None, method: str, params: Params
    ) -> Iterator[tuple[int | None, str, Params]]:
        """Say a request as the dialect does, with what it says besides."""
        told = self._dialect
        yield from ((None, name, more) for before, name, more in told.more if before == method)
        change = {
            "mining.subscribe": told.subscribe,
            "mining.configure": told.configure,
            "mining.submit": told.submit,
        }.get(method, _as_is)
        yield ours, method, change(params)
        if method == "mining.authorize":
            yield from ((None, name, more) for before, name, more in told.more if not before)

    def _write(self, ours: int | None, method: str, params: Params) -> bytes:
        self._serial += 1
        theirs = self._dialect.ids(self._serial, method)
        if theirs is not None:
            self._said.append((theirs, ours))
        message = {"id": theirs, "method": method, "params": params}
        return self._dialect.frame(json.dumps(message, separators=(",", ":")).encode())

    def _heard(self, line: bytes) -> bytes:
        message = json.loads(line)
        if "method" in message:
            return line + b"\n"
        if not self._said:
            self.faults.append(f"an answer to nothing: {line!r}")
            return b""
        theirs, ours = self._said.popleft()
        if message["id"] != theirs or type(message["id"]) is not type(theirs):
            self.faults.append(f"answered {message['id']!r}, asked as {theirs!r}")
        if ours is None:
            return b""
        return json.dumps({**message, "id": ours}).encode() + b"\n"

    def _look_at(self, number: str) -> None:
        self.numbers.append(number)
        if "e" in number or (self._dialect.whole and number.endswith(".0")):
            self.faults.append(f"a difficulty that it cannot read: {number}")

    @property
    def open(self) -> int:
        """Requests without an answer."""
        return len(self._said)


class DialectRig(Rig):
    """A rig of that dialect; else as any `Rig`.

    Attributes:
        spoken: what was said, and what did not fit.
    """

    def __init__(self, dialect: Dialect, session: str = "") -> None:
        super().__init__(
            dialect.user,
            agent=dialect.agent,
            session=session,
            extranonce_subscribe=dialect.extranonce,
            **({} if dialect.rolls else {"version_mask": 0}),
        )
        self.spoken = _Spoken(self.core, dialect)
        self.wire = Wire(self.spoken, self._on_events, on_lost=self._on_lost)
