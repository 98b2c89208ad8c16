import copy
from typing import Any

import pytest

from headframe.chain.errors import TemplateError, WireError
from headframe.chain.fields import Fields
from headframe.chain.hashes import hash_from_hex, hash_to_hex, sha256d
from headframe.chain.offer import TemplateTx, parse_offer, without_witness
from tests.fakes.vectors import cases, load

TEMPLATES = [*cases("gbt_blocks"), *cases("gbt_to_job")]
ANSWER = next(v for v in load("gbt_blocks")["vectors"] if v["id"] == "h113-11tx-rolled")["template"]
SEGWIT = next(tx for tx in ANSWER["transactions"] if tx["txid"] != tx["hash"])


def offer(entry: dict[str, Any], **known: TemplateTx) -> TemplateTx:
    return parse_offer(Fields(entry, "transactions.0."), {tx.wtxid: tx for tx in known.values()})


@pytest.mark.parametrize("vector", TEMPLATES)
def test_ids_of_a_nodes_transactions_are_the_hashes_of_their_bytes(vector):
    for entry in vector["template"]["transactions"]:
        data = bytes.fromhex(entry["data"])
        assert hash_to_hex(sha256d(without_witness(data))) == entry["txid"]
        assert len(data) + 3 * len(without_witness(data)) == entry["weight"]
        tx = offer(entry)
        assert (tx.data, tx.fee, tx.sigops) == (data, entry["fee"], entry["sigops"])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("txid", "00" * 32, "txid 0+ is not the hash of data without witness"),
        ("txid", SEGWIT["hash"], "txid .* is not the hash of data without witness"),
        ("hash", SEGWIT["txid"], "hash .* is not the hash of data"),
        ("weight", SEGWIT["weight"] + 1, f"weight is not what data weighs, {SEGWIT['weight']}"),
        ("sigops", -1, "sigops is -1, outside"),
    ],
)
def test_a_transaction_that_is_not_what_it_is_called_is_refused(name, value, message):
    with pytest.raises(TemplateError, match=f"^template: transactions.0.{message}"):
        offer({**SEGWIT, name: value})


def test_bytes_that_are_no_transaction_are_refused_whatever_their_hash():
    data = bytes.fromhex(SEGWIT["data"])[:60]
    entry = {**SEGWIT, "data": data.hex(), "hash": hash_to_hex(sha256d(data))}
    with pytest.raises(TemplateError, match="data is no transaction: the data ends"):
        offer(entry)
    with pytest.raises(WireError):
        without_witness(b"\x02\x00\x00\x00\x00\x01")


def test_a_node_that_counts_no_signature_checks():
    entry = copy.deepcopy(SEGWIT)
    del entry["sigops"]
    assert offer(entry).sigops == 0


def test_what_was_read_before_is_not_read_again():
    tx = offer(SEGWIT)
    assert offer({**SEGWIT, "data": "not looked at"}, tx=tx) is tx
    # but the id that the merkle root is made of must be the one that was checked
    with pytest.raises(TemplateError, match="data should be hex digits"):
        offer({**SEGWIT, "data": "zz", "txid": "00" * 32}, tx=tx)
    assert hash_from_hex(SEGWIT["hash"]) == tx.wtxid
