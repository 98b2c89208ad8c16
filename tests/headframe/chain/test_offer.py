import copy
from typing import Any

import pytest

from headframe.chain.errors import TemplateError, WireError
from headframe.chain.fields import Fields
from headframe.chain.hashes import hash_from_hex, hash_to_hex, sha256d
from headframe.chain.offer import TemplateTx, check_offer, read_offers, without_witness
from headframe.chain.wire import compact_size
from tests.fakes.vectors import cases, load

TEMPLATES = [*cases("gbt_blocks"), *cases("gbt_to_job")]
ANSWER = next(v for v in load("gbt_blocks")["vectors"] if v["id"] == "h113-11tx-rolled")["template"]
SEGWIT = next(tx for tx in ANSWER["transactions"] if tx["txid"] != tx["hash"])


READ = ("data", "txid", "hash", "fee", "weight", "sigops")


def typed(entry: dict[str, Any], **changes: Any) -> TemplateTx:
    """The same as a decoder that knows the type makes it."""
    return TemplateTx(**{name: {**entry, **changes}[name] for name in READ})


def offer(entry: dict[str, Any] | TemplateTx) -> TemplateTx:
    offers = read_offers(Fields({"transactions": [entry]}))
    (tx,) = offers.transactions
    assert offers.txids == hash_from_hex(tx.txid)
    assert offers.wtxids == hash_from_hex(tx.hash)
    check_offer(0, tx)
    return tx


@pytest.mark.parametrize("vector", TEMPLATES)
def test_ids_of_a_nodes_transactions_are_the_hashes_of_their_bytes(vector):
    for entry in vector["template"]["transactions"]:
        data = bytes.fromhex(entry["data"])
        assert hash_to_hex(sha256d(without_witness(data))) == entry["txid"]
        assert len(data) + 3 * len(without_witness(data)) == entry["weight"]
        tx = offer(entry)
        assert (tx.data, tx.fee, tx.sigops) == (entry["data"], entry["fee"], entry["sigops"])
        assert offer(typed(entry)) == tx


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("fee", -1, "fee is -1, outside"),
        ("txid", "00" * 32, "txid 0+ is not the hash of data without witness"),
        ("txid", SEGWIT["hash"], "txid .* is not the hash of data without witness"),
        ("hash", SEGWIT["txid"], "hash .* is not the hash of data"),
        ("weight", SEGWIT["weight"] + 1, f"weight is not what data weighs, {SEGWIT['weight']}"),
        ("sigops", -1, "sigops is -1, outside"),
        ("sigops", True, "sigops should be a whole number"),
        ("fee", "1", "fee should be a whole number"),
        ("txid", SEGWIT["txid"][:-1] + " ", "txid should be 64 hex digits"),
        ("txid", SEGWIT["txid"] + "00", "txid should be 64 hex digits"),
    ],
)
def test_a_transaction_that_is_not_what_it_is_called_is_refused(name, value, message):
    with pytest.raises(TemplateError, match=f"^template: transactions.0.{message}"):
        offer({**SEGWIT, name: value})
    if type(value) is type(SEGWIT[name]):  # else no decoder makes one of that type
        with pytest.raises(TemplateError, match=f"^template: transactions.0.{message}"):
            offer(typed(SEGWIT, **{name: value}))


def test_bytes_that_are_no_transaction_are_refused_whatever_their_hash():
    data = bytes.fromhex(SEGWIT["data"])
    for size in range(6, 60):
        cut = data[:size]
        with pytest.raises(WireError, match=f"ends too early, at byte {size}"):
            without_witness(cut)
        entry = {**SEGWIT, "data": cut.hex(), "hash": hash_to_hex(sha256d(cut))}
        for form in (entry, typed(entry)):
            with pytest.raises(TemplateError, match="data is no transaction: the data ends"):
                offer(form)
    with pytest.raises(TemplateError, match=r"transactions.0.data should be hex digits, not 'zz'"):
        offer(typed(SEGWIT, data="zz"))


@pytest.mark.parametrize("count", [0xFC, 0xFD, 0xFFFF, 0x10000])
def test_scripts_of_every_length_are_stepped_over(count):
    body = (
        b"\x01" + bytes(36) + compact_size(count) + bytes(count) + bytes(4)
        + b"\x01" + bytes(8) + compact_size(count) + bytes(count)
    )  # fmt: skip
    marked = b"\x02\0\0\0" + b"\x00\x01" + body + b"\x01\x01\xaa" + b"lock"
    assert without_witness(marked) == b"\x02\0\0\0" + body + b"lock"


def test_a_list_that_would_be_longer_than_all_memory_ends_at_once():
    with pytest.raises(WireError):
        without_witness(b"\x02\0\0\0\x00\x01" + b"\xff" * 9 + bytes(200))


def test_a_node_that_counts_no_signature_checks():
    entry = copy.deepcopy(SEGWIT)
    del entry["sigops"]
    assert offer(entry).sigops == 0


def test_a_transaction_without_witness_has_one_hash():
    legacy = next(tx for tx in ANSWER["transactions"] if tx["txid"] == tx["hash"])
    assert offer(legacy).txid == offer(legacy).hash
    for wrong in ({**legacy, "txid": "00" * 32}, typed(legacy, txid="00" * 32)):
        with pytest.raises(TemplateError, match=r"txid 0+ is not the hash"):
            offer(wrong)


def test_hex_of_either_case_is_read():
    loud = {name: SEGWIT[name].upper() for name in ("data", "txid", "hash")}
    assert offer({**SEGWIT, **loud}) == offer(SEGWIT)
    assert bytes.fromhex(offer(typed(SEGWIT, **loud)).data) == bytes.fromhex(SEGWIT["data"])
    spaced = SEGWIT["data"][:2] + " " + SEGWIT["data"][2:]  # nodes would not read that
    with pytest.raises(TemplateError, match=r"transactions.0.data should be hex digits"):
        offer({**SEGWIT, "data": spaced})
    with pytest.raises(TemplateError, match=r"transactions.0.data should be hex digits"):
        offer(typed(SEGWIT, data=spaced))


def test_numbers_of_another_json_reader_are_read():
    class Number(int):
        pass

    assert offer({**SEGWIT, "fee": Number(SEGWIT["fee"])}) == offer(SEGWIT)


def test_a_list_of_many_keeps_its_order():
    entries = ANSWER["transactions"]
    for listed in (entries, [*map(typed, entries)]):
        read = read_offers(Fields({"transactions": listed}))
        assert [tx.txid for tx in read.transactions] == [entry["txid"] for entry in entries]
        assert read.txids == b"".join(hash_from_hex(entry["txid"]) for entry in entries)
        assert read.wtxids == b"".join(hash_from_hex(entry["hash"]) for entry in entries)


def test_a_list_in_which_one_is_odd_names_that_one():
    entries: list[Any] = [*map(typed, ANSWER["transactions"])]
    entries[4] = "text"
    with pytest.raises(TemplateError, match=r"^template: transactions.4 should be an object"):
        read_offers(Fields({"transactions": entries}))
    entries[4] = typed(ANSWER["transactions"][4], hash="abc")
    with pytest.raises(TemplateError, match=r"^template: transactions.4.hash should be 64 hex"):
        read_offers(Fields({"transactions": entries}))


def test_the_transaction_that_is_wrong_is_named_by_its_place():
    with pytest.raises(TemplateError, match=r"^template: transactions.7.weight is not what"):
        check_offer(7, typed(SEGWIT, weight=4))
