"""The shortcut for good shares; that it agrees with all rules, the proxy's tests say."""

from typing import Any

import pytest

from native import NOT_PLAIN, OTHER_JOB, TOOK_ALL, TOOK_MANY, pack_context, share_hash
from native.compiled import extension_missing
from native.judge import (
    Judge,
    ProofState,
    PythonProofState,
    Task,
    Terms,
    link_table,
    pack_rig,
    proof_state,
    unlink_table,
)
from native.table import CompiledTable, NumberTable, PythonTable, number_table

needs_extension = pytest.mark.skipif(bool(extension_missing), reason=extension_missing or "there")

TIME = 1_700_000_000
CONTEXT = pack_context(b"before", b"after", (), b"\x11" * 32, 0x1D00FFFF)
ALL = 2**256 - 1
PLAIN: dict[str, str] = {
    "id": "1",
    "name": "rig",
    "job": "a1",
    "extranonce": "00000001",
    "ntime": f"{TIME:08x}",
    "nonce": "00000002",
}


def line(**changes: str) -> bytes:
    fields = PLAIN | changes
    request_id = fields.pop("id")
    params = ",".join(f'"{each}"' for each in fields.values())
    return f'{{"id":{request_id},"method":"mining.submit","params":[{params}]}}\n'.encode()


def proof(extranonce: str = "00000001", nonce: int = 2, bits: int = 0) -> int:
    found = share_hash(CONTEXT, b"\x07" + bytes.fromhex(extranonce), 0x20000000 | bits, TIME, nonce)
    return int.from_bytes(found, "little")


class Stage:
    """A task, with a table for one time."""

    def __init__(self, *, size: int = 4, names: tuple[str, ...] = ("rig", "b"), **changes: Any):
        terms = Terms(
            job=b"a1",
            context=CONTEXT,
            version=0x20000000,
            mask=0x1FFFE000,
            ntime_min=TIME - 5,
            ntime_max=TIME + 5,
            target=ALL,
            block=0,
            up=0,
        )
        self.state: ProofState = proof_state()
        self.state.limit, self.state.shown = 1000, TIME
        self.tables: dict[int, NumberTable] = {}
        self.open(TIME)
        self.task = Task(terms._replace(**changes), self.state, self.tables)
        packed = pack_rig(b"\x07", size, names)
        assert packed is not None
        self.rig, self.names = packed
        self.judge = Judge()

    def open(self, ntime: int) -> NumberTable:
        self.tables[ntime] = number_table()
        link_table(self.state, ntime, self.tables[ntime])
        return self.tables[ntime]

    def take(self, data: bytes, latest: int = TIME + 100) -> tuple[int, ...]:
        return self.judge.take(self.task, self.rig, latest, data)


def test_the_numbers_of_proofs_are_the_same_without_c() -> None:
    for state in (proof_state(), PythonProofState()):
        names = ("past", "ahead", "limit", "floor", "shown")
        assert [getattr(state, name) for name in names] == [0] * 5
        state.past += 3
        state.shown = TIME
        assert (state.past, state.shown) == (3, TIME)


def test_tables_without_c_are_left_to_others() -> None:
    for state in (proof_state(), PythonProofState()):
        link_table(state, TIME, PythonTable())
        unlink_table(state, TIME, PythonTable())
    if not extension_missing:
        link_table(PythonProofState(), TIME, CompiledTable())
        unlink_table(PythonProofState(), TIME, CompiledTable())


def test_a_rig_is_packed_with_the_names_that_are_plain() -> None:
    packed = pack_rig(b"\x01\x02", 4, ["a", "r\u00fcg", 'q"', "q\\", "\x7f", "x" * 257, "b.c"])
    assert packed == (b"\x02\x04\x02\x00\x01\x02\x01\x00a\x03\x00b.c", ["a", "b.c"])


def test_a_rig_without_a_plain_name_or_with_too_long_an_extranonce_is_left_to_others() -> None:
    assert pack_rig(b"", 4, ["r\u00fcg"]) is None
    assert pack_rig(b"s" * 33, 32, ["a"]) is None


def test_of_many_names_some_are_packed() -> None:
    packed = pack_rig(b"", 4, [f"w{i}" for i in range(100)])
    assert packed is not None
    assert len(packed[1]) == 64


@needs_extension
class TestJudge:
    def test_a_good_share_is_taken_answered_and_described(self) -> None:
        stage = Stage()
        data = line(id='"x y"', bits="00002000") + b'{"half'
        count, ups, mixed, end, stop, _, _, unrolled, size = stage.take(data)
        assert (count, ups, mixed, stop, unrolled) == (1, 0, 0, TOOK_ALL, 0)
        assert data[end:] == b'{"half'
        assert stage.judge.answers(size) == b'{"id":"x y","result":true,"error":null}\n'
        [good] = stage.judge.shares(1)
        assert data[good.id_at : good.id_at + good.id_size] == b'"x y"'
        assert data[good.extranonce_at :].startswith(b"00000001")
        assert stage.names[good.name] == "rig"
        assert (good.version, good.ntime, good.nonce, good.up) == (0x20002000, TIME, 2, 0)
        assert int.from_bytes(good.hash, "little") == proof(bits=0x2000)
        assert proof(bits=0x2000) % 2**64 in stage.tables[TIME]
        assert (stage.state.past, stage.state.ahead) == (1, 0)

    @pytest.mark.parametrize(
        "text",
        [
            '{"params": ["rig", "a1", "0000000A", "%08X", "0000000b"], "id": 4, '
            '"method": "mining.submit"}',
            ' { "method" : "mining.submit" ,\t"id":0, "params":["b","a1","00000001","%08x",'
            '"00000002"] } \r',
        ],
    )
    def test_members_come_in_any_order_with_blanks_between(self, text: str) -> None:
        data = (text % TIME).encode() + b"\n"
        assert Stage().take(data)[:5] == (1, 0, 0, len(data), TOOK_ALL)

    @pytest.mark.parametrize(
        "odd",
        [
            *({"id": each} for each in ("null", "-1", "1.5", "[1]", "01", "1234567890123456789")),
            *({"id": '"' + each + '"'} for each in ("q" * 60, "\\n", "\u00e9", "\x7f")),
            *({"name": each} for each in ("stranger", "ri", "rigs", "", "RIG")),
            *({"extranonce": each} for each in ("0000000", "000001", "0000000000", "0000000g")),
            *({"ntime": each} for each in (f"{TIME:x}0", f"{TIME - 6:08x}", f"{TIME + 6:08x}")),
            *({"ntime": each} for each in (f"{TIME + 1:08x}", "", " 6553f10")),
            *({"nonce": each} for each in ("2", "0x000002", "000000002")),
            *({"bits": each} for each in ("", "0", "20000000", "00001000", "zzzzzzzz")),
            {"bits": "00000000", "more": "x"},
        ],
        ids=str,
    )
    def test_what_is_odd_is_left_with_nothing_changed(self, odd: dict[str, str]) -> None:
        stage = Stage()
        data = line(nonce="000000ff") + line(**odd) + line()
        count, _, _, end, stop, *_ = stage.take(data)
        assert (count, data[end:], stop) == (1, line(**odd) + line(), NOT_PLAIN)
        assert len(stage.tables[TIME]) == 1
        assert (stage.state.past, stage.state.ahead) == (1, 0)

    @pytest.mark.parametrize(
        "text",
        [
            *("", " ", "{", "{}", "[]", "null", '{"id":1}', '{"id":1,"id":1}'),
            '{"id":1,"method":"mining.submit","params":["rig","a1","00000001"]}',
            '{"id":1,"method":"mining.submit","params":{}}',
            '{"id":1,"method":"mining.submit","params":[1]}',
            '{"id":1,"method":"mining.ping","params":["rig","a1","00000001","6553f100","00000002"]}',
            '{"id":1,"method":"mining.submit"}',
            '{"id":1,"method":3}',
            '{"id',
            '{"id":',
            '{"id":"1',
            '{"id":1 "method"',
            '{"id":1,"method":"mining.submit","params":["rig"',
            '{"id":1,"method":"mining.submit","params":["rig","a1","00000001","6553f100","00000002"}',
            line().decode().rstrip() + "}",
            line().decode().rstrip() + " x",
            '{"jsonrpc":"2.0",' + line().decode().rstrip()[1:],
            " " * 1024 + line().decode().rstrip(),
        ],
    )
    def test_what_is_no_plain_submit_is_left(self, text: str) -> None:
        assert Stage().take(text.encode() + b"\n")[:5] == (0, 0, 0, 0, NOT_PLAIN)

    def test_another_job_is_named(self) -> None:
        data = line() + line(job="a") + line()
        count, _, _, end, stop, at, size, unrolled, _ = Stage().take(data)
        assert (count, end, stop, data[at : at + size]) == (1, len(line()), OTHER_JOB, b"a")
        assert unrolled == 1

    def test_a_share_is_taken_once(self) -> None:
        stage = Stage()
        assert stage.take(line() + line())[4] == NOT_PLAIN
        assert stage.take(line())[4] == NOT_PLAIN
        assert stage.take(line(extranonce="0000000A"))[4] == TOOK_ALL
        assert stage.take(line(extranonce="0000000a"))[4] == NOT_PLAIN
        assert stage.state.past == 2

    def test_a_hash_is_compared_with_all_three_numbers(self) -> None:
        number = proof()
        for target, block, up, taken in (
            (number, number - 1, number, (1, 1)),
            (number, 0, number - 1, (1, 0)),
            (number - 1, 0, 0, (0, 0)),
            (number, number, 0, (0, 0)),
        ):
            assert Stage(target=target, block=block, up=up).take(line())[:2] == taken

    def test_times_need_a_table_and_are_counted_apart(self) -> None:
        stage = Stage()
        later = line(ntime=f"{TIME + 1:08x}")
        assert stage.take(later)[4] == NOT_PLAIN
        table = stage.open(TIME + 1)
        assert stage.take(later)[0] == 1
        assert (stage.state.past, stage.state.ahead, len(table)) == (0, 1, 1)
        stage.state.limit = 1
        assert stage.take(line(ntime=f"{TIME + 1:08x}", nonce="000000ff"))[0] == 0
        unlink_table(stage.state, TIME + 1, stage.tables[TIME])  # another time's: nothing happens
        stage.state.limit = 9
        assert stage.take(line(ntime=f"{TIME + 1:08x}", nonce="000000ff"))[0] == 1
        unlink_table(stage.state, TIME + 1, table)
        assert stage.take(line(ntime=f"{TIME + 1:08x}", nonce="000000fe"))[0] == 0

    def test_times_before_the_floor_and_after_the_latest_do_not_count(self) -> None:
        stage = Stage()
        assert stage.take(line(), latest=TIME - 1)[0] == 0
        stage.state.floor = TIME + 1
        assert stage.take(line())[0] == 0
        stage.state.floor = TIME
        assert stage.take(line(), latest=TIME)[0] == 1

    def test_a_full_table_is_left_to_whoever_can_make_it_larger(self) -> None:
        stage = Stage()
        table = stage.tables[TIME]
        taken = sum(stage.take(line(nonce=f"{i:08x}"))[0] for i in range(100))
        assert taken == len(table) < 64
        for number in range(2, 80):
            table.add(number)
        assert stage.take(line(nonce="0000ffff"))[0] == 1

    def test_many_are_taken_in_turns(self) -> None:
        stage = Stage()
        for number in range(2, 200):
            stage.tables[TIME].add(number)  # so that it has room
        data = b"".join(line(nonce=f"{i:08x}", id=f'"{"q" * 38}"') for i in range(40))
        count, _, _, end, stop, *_, size = stage.take(data)
        assert (count, stop) == (32, TOOK_MANY)
        assert stage.judge.answers(size).count(b"\n") == 32
        assert stage.take(data[end:])[::4][:2] == (8, TOOK_ALL)

    def test_shares_under_several_names_are_told(self) -> None:
        stage = Stage()
        assert stage.take(line() + line(name="b", nonce="00000009"))[:3] == (2, 0, 1)
        assert [stage.names[each.name] for each in stage.judge.shares(2)] == ["rig", "b"]

    def test_what_is_no_rig_is_refused(self) -> None:
        stage = Stage()
        for rig in (b"", stage.rig[:-1], stage.rig + b"x", b"\x40\x01\x00\x00" + b"s" * 64):
            with pytest.raises(ValueError, match="no rig"):
                stage.judge.take(stage.task, rig, TIME, line())

    def test_a_job_has_a_short_name(self) -> None:
        with pytest.raises(ValueError, match="16 bytes"):
            Stage(job=b"a" * 17)
