import copy
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.chain.coinbase import Output, parse, with_witness
from headframe.chain.errors import CoinbaseError, TemplateError
from headframe.chain.hashes import hash_from_hex, hash_to_hex, sha256d
from headframe.chain.job import BIP320_MASK, Job, JobId, Lineage, SourceId, SplitCoinbase
from headframe.chain.share import Share, check
from headframe.chain.target import DIFFICULTY_1, Target, target_from_nbits
from headframe.chain.template import (
    Template,
    assemble_block,
    make_job,
    parse_template,
    repay,
    room_of,
)
from tests.fakes.blocks import read_block
from tests.fakes.vectors import cases, load

BLOCKS = [*cases("gbt_blocks"), *cases("signet_blocks")]
TEMPLATES = [
    *BLOCKS,
    *cases("gbt_to_job"),
    pytest.param(load("stratum_jobs")["vectors"][1], id="p2poolv2-b"),
]
ANSWER = next(v for v in load("gbt_blocks")["vectors"] if v["id"] == "h113-11tx-rolled")["template"]
ANSWER_TX = ("data", "txid", "hash", "fee", "weight", "depends", "sigops")
EASY = "1d00ffff"


def swap_words(data: bytes) -> bytes:
    return b"".join(data[i : i + 4][::-1] for i in range(0, len(data), 4))


def lineage() -> Lineage:
    return Lineage(source=SourceId("node"), ids=count(7), epoch=4, generation=2)


def job_from(template: Template, **changes) -> Job:
    wishes = {
        "lineage": lineage(),
        "outputs": [Output(value=template.value, script=b"\x51")],
        "extranonce_size": 8,
        "tag": b"/headframe/",
        "version_mask": BIP320_MASK,
        "block_target": None,
    }
    return make_job(template, **{**wishes, **changes})


def share_with(job: Job, **changes) -> Share:
    share = Share(
        job_id=job.id,
        extranonce=bytes(job.extranonce_size),
        ntime=job.ntime,
        nonce=0,
        version=job.version,
    )
    return replace(share, **changes)


# Reading what a node says


@pytest.mark.parametrize("vector", TEMPLATES)
def test_what_a_real_node_answered_is_read(vector):
    answer = vector["template"]
    template = parse_template(answer)
    assert template.version == answer["version"]
    assert hash_to_hex(template.prev_hash) == answer["previousblockhash"]
    assert (template.height, template.value) == (answer["height"], answer["coinbasevalue"])
    assert (template.mintime, template.curtime) == (answer["mintime"], answer["curtime"])
    assert template.maxtime == answer["curtime"] + 7000
    assert f"{template.nbits:08x}" == answer["bits"]
    assert f"{template.target:064x}" == answer["target"]
    assert template.longpoll_id == answer["longpollid"]
    assert template.weight_limit == answer["weightlimit"]
    assert template.version_required == answer["vbrequired"]
    assert template.commitment == bytes.fromhex(answer["default_witness_commitment"])
    assert [tx.txid for tx in template.transactions] == [
        tx["txid"] for tx in answer["transactions"]
    ]
    assert [(tx.data, tx.hash) for tx in template.transactions] == [
        (tx["data"], tx["hash"]) for tx in answer["transactions"]
    ]
    assert [(tx.fee, tx.weight) for tx in template.transactions] == [
        (tx["fee"], tx["weight"]) for tx in answer["transactions"]
    ]
    assert template.fees == sum(tx["fee"] for tx in answer["transactions"])
    challenge = answer.get("signet_challenge")
    assert template.signet_challenge == (None if challenge is None else bytes.fromhex(challenge))
    assert template.rules[:2] == ("csv", "segwit")


def changed(path: str, value: object) -> dict[str, Any]:
    """The good answer with one member changed, or removed where the value is `...`."""
    answer: dict[str, Any] = copy.deepcopy(ANSWER)
    *parents, last = [int(name) if name.isdigit() else name for name in path.split(".")]
    place: Any = answer
    for name in parents:
        place = place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return answer


REQUIRED = [
    "version",
    "rules",
    "previousblockhash",
    "transactions",
    "coinbaseaux",
    "coinbasevalue",
    "target",
    "mintime",
    "sizelimit",
    "curtime",
    "bits",
    "height",
]


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_member_is_named(name):
    with pytest.raises(TemplateError, match=f"^template: {name} is missing$"):
        parse_template(changed(name, ...))


@pytest.mark.parametrize("name", ["data", "txid", "hash", "fee", "weight"])
def test_a_missing_member_of_a_transaction_is_named(name):
    with pytest.raises(TemplateError, match=f"transactions.2.{name} is missing"):
        parse_template(changed(f"transactions.2.{name}", ...))


@pytest.mark.parametrize("name", ["longpollid", "vbrequired", "default_witness_commitment"])
def test_what_can_be_done_without_may_be_missing(name):
    template = parse_template(changed(name, ...))
    whole = parse_template(ANSWER)
    assert template.longpoll_id == ("" if name == "longpollid" else whole.longpoll_id)
    assert replace(template, longpoll_id=whole.longpoll_id) == whole


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("version", "536870912", "version should be a whole number"),
        ("version", 2**32, "version is 4294967296, outside"),
        ("rules", "csv", "rules should be a list"),
        ("rules", ["csv", 1], "rules.1 should be a string"),
        ("rules", ["csv", "!blake2b"], "has the rule '!blake2b'"),
        ("vbrequired", -1, "vbrequired is -1, outside"),
        ("previousblockhash", "00", "previousblockhash should be 64 hex digits"),
        ("transactions", {}, "transactions should be a list"),
        ("transactions.0", [], "transactions.0 should be an object"),
        ("transactions.0.data", "zz", "transactions.0.data should be hex digits"),
        ("transactions.0.data", "00", "transactions.0.hash .* is not the hash of data"),
        ("transactions.0.fee", -1, "transactions.0.fee is -1, outside"),
        ("transactions.0.fee", 0.5, "transactions.0.fee should be a whole number"),
        ("transactions.0.weight", 0, "transactions.0.weight is 0, outside"),
        ("coinbaseaux", [], "coinbaseaux should be an object"),
        ("coinbaseaux", {"flags": 1}, "coinbaseaux.flags should be a string"),
        ("coinbasevalue", 50.0, "coinbasevalue should be a whole number, not 50.0"),
        ("coinbasevalue", -1, "coinbasevalue is -1, outside"),
        ("longpollid", 7, "longpollid should be a string"),
        ("target", "00" * 32, "target 0+ is not what bits 207fffff mean, 7fffff0+$"),
        ("target", "7fffff", "target should be 64 hex digits"),
        ("bits", "00", "bits should be 8 hex digits"),
        ("bits", "01fedcba", "bits: nbits 01fedcba are negative"),
        ("bits", "ff123456", "bits: nbits ff123456 overflow"),
        ("mintime", 2**32, "mintime is 4294967296, outside"),
        ("curtime", 1, "curtime 1 is before mintime"),
        ("height", 0, "height is 0, outside"),
        ("height", True, "height should be a whole number, not True"),
        ("sigoplimit", 0, "sigoplimit is 0, outside"),
        ("sizelimit", 0, "sizelimit is 0, outside"),
        ("weightlimit", "4000000", "weightlimit should be a whole number"),
        ("default_witness_commitment", "6a24", "default_witness_commitment 6a24 does not fit"),
        ("default_witness_commitment", None, "default_witness_commitment should be a string"),
    ],
)
def test_a_member_that_makes_no_sense_is_named(path, value, message):
    with pytest.raises(TemplateError, match=message) as caught:
        parse_template(changed(path, value))
    assert "\n" not in str(caught.value)


def test_a_commitment_to_other_transactions_is_refused():
    # A node that dropped a transaction but kept the commitment: bad-witness-merkle-match.
    with pytest.raises(TemplateError, match="does not fit the transactions, it should be 6a24"):
        parse_template(changed("transactions", ANSWER["transactions"][:-1]))


def test_a_txid_that_is_not_of_its_transaction_is_refused():
    legacy = next(n for n, tx in enumerate(ANSWER["transactions"]) if tx["txid"] == tx["hash"])
    with pytest.raises(TemplateError, match=f"transactions.{legacy}.txid 0+ is not the hash"):
        parse_template(changed(f"transactions.{legacy}.txid", "00" * 32))


def test_a_negative_version_is_taken_as_unsigned():
    assert parse_template(changed("version", -(2**31) + 4)).version == 0x80000004


def test_unknown_rules_without_exclamation_mark_are_no_hindrance():
    assert parse_template(changed("rules", ["!segwit", "cleverness"])).rules == (
        "segwit",
        "cleverness",
    )


def test_a_chain_without_segwit_has_no_commitment_and_its_size_is_the_limit():
    answer = changed("rules", ["csv"])
    answer.update(sizelimit=1_000_000, transactions=[])
    del answer["weightlimit"]
    template = parse_template(answer)
    assert template.commitment is None
    assert template.weight_limit == 4_000_000
    job = job_from(template)
    assert isinstance(job.commitment, SplitCoinbase)
    parts = parse(job.commitment.coinbase(bytes(8)))
    assert len(parts.outputs) == 1
    block = read_block(assemble_block(template, job, share_with(job)))
    assert not block.transactions[0].has_witness


def test_a_signet_without_challenge_is_refused():
    answer = copy.deepcopy(load("signet_blocks")["vectors"][0]["template"])
    del answer["signet_challenge"]
    with pytest.raises(TemplateError, match="signet_challenge is missing"):
        parse_template(answer)


def test_a_time_near_the_end_of_32_bits_stays_within_them():
    answer = changed("curtime", 2**32 - 10)
    assert parse_template(answer).maxtime == 2**32 - 1


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=70)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(
    path=st.sampled_from([*ANSWER, *(f"transactions.1.{name}" for name in ANSWER_TX)]),
    value=st.one_of(JSON, st.just(...)),
)
def test_junk_raises_nothing_but_template_errors(path, value):
    try:
        template = parse_template(changed(path, value))
    except TemplateError:
        return
    assert template.height > 0


# Making jobs


@pytest.mark.parametrize("vector", cases("gbt_to_job"))
def test_a_job_is_the_one_that_a_pool_made_of_the_same_template(vector):
    expect, notify = vector["expect"], vector["ckpool_notify_params"]
    template = parse_template(vector["template"])
    job = job_from(template)
    assert isinstance(job.commitment, SplitCoinbase)
    assert swap_words(job.prev_hash).hex() == expect["prevhash_stratum"] == notify[1]
    branch = [item.hex() for item in job.commitment.path]
    assert branch == expect["merkle_branch"] == notify[4]
    assert f"{job.version:08x}" == expect["version"] == notify[5]
    assert f"{job.nbits:08x}" == expect["nbits"] == notify[6]
    assert f"{job.ntime:08x}" == expect["ntime_from_template"]
    script = parse(job.commitment.coinbase(bytes(8))).outputs[-1].script.hex()
    assert script == expect["witness_commitment_script"]
    assert script in notify[3]


@pytest.mark.parametrize("vector", TEMPLATES)
def test_a_job_has_what_its_template_and_lineage_say(vector):
    template = parse_template(vector["template"])
    job = job_from(template)
    assert (job.id, job.source, job.epoch, job.generation) == (7, "node", 4, 2)
    assert (job.ntime_min, job.ntime, job.ntime_max) == (
        template.mintime,
        template.curtime,
        template.curtime + 7000,
    )
    assert job.target == job.block_target == template.target
    assert job.version_mask == BIP320_MASK
    assert isinstance(job.commitment, SplitCoinbase)
    parts = parse(job.commitment.coinbase(b"extranon"))
    assert parts.height == template.height
    assert parts.script_sig.endswith(b"extranon/headframe/")
    assert [o.value for o in parts.outputs] == [template.value, 0]


def test_bits_that_the_node_needs_or_has_set_are_not_rolled():
    answer = changed("vbrequired", 0x4000)
    answer["version"] = 0x20002000
    job = job_from(parse_template(answer), version_mask=0x1FFFFFE0)
    assert job.version == 0x20002000
    assert job.version_mask == 0x1FFFFFE0 & ~0x6000


def test_the_nodes_data_is_in_the_coinbase():
    template = parse_template(changed("coinbaseaux", {"flags": "0a0b", "more": "0c", "none": ""}))
    job = job_from(template, tag=b"")
    assert isinstance(job.commitment, SplitCoinbase)
    script_sig = parse(job.commitment.coinbase(bytes(8))).script_sig
    assert script_sig.hex() == "0171" + "0a0b0c" + "00" * 8


@pytest.mark.parametrize(("pace", "result"), [(1, 1), (2**256 - 1, 0x7FFFFF << 232)])
def test_the_block_target_is_the_harder_of_pace_and_bits(pace, result):
    job = job_from(parse_template(ANSWER), block_target=Target(pace))
    assert job.block_target == job.target == result
    assert job.nbits == 0x207FFFFF


def test_one_satoshi_too_much_is_refused():
    # A node says bad-cb-amount to it (gbt_rejects.json, rej-amount).
    template = parse_template(ANSWER)
    outputs = [Output(value=template.value, script=b""), Output(value=1, script=b"")]
    with pytest.raises(
        CoinbaseError, match=f"pay {template.value + 1} satoshi.*113 has {template.value}"
    ):
        job_from(template, outputs=outputs)
    less = job_from(template, outputs=[Output(value=template.value - 1, script=b"")])
    assert less.prev_hash == template.prev_hash


def test_a_block_that_weighs_too_much_is_refused_and_one_at_the_limit_is_not():
    template = parse_template(ANSWER)
    job = job_from(template)
    raw = assemble_block(template, job, share_with(job))
    block = read_block(raw)
    weight = 3 * (80 + 1 + sum(len(tx.stripped) for tx in block.transactions)) + len(raw)
    assert job_from(replace(template, weight_limit=weight)) == job
    with pytest.raises(CoinbaseError, match=f"would weigh {weight} units, the node allows"):
        job_from(replace(template, weight_limit=weight - 1))


@pytest.mark.parametrize(("count_", "count_bytes"), [(0, 1), (251, 1), (252, 3)])
def test_the_weight_counts_the_bytes_of_the_transaction_count(count_, count_bytes):
    template = parse_template(ANSWER)
    many = replace(template, transactions=template.transactions[:1] * count_)
    job = job_from(many)
    assert isinstance(job.commitment, SplitCoinbase)
    coinbase = job.commitment.coinbase(bytes(8))
    weight = (
        4 * (80 + count_bytes)
        + 3 * len(coinbase)
        + len(with_witness(coinbase))
        + count_ * template.transactions[0].weight
    )
    assert job_from(replace(many, weight_limit=weight)) == job
    with pytest.raises(CoinbaseError, match=f"would weigh {weight} units"):
        job_from(replace(many, weight_limit=weight - 1))


def test_signature_checks_over_the_limit_are_refused_and_those_at_it_are_not():
    p2pkh = bytes.fromhex("76a914" + "00" * 20 + "88ac")  # one check of cost 4 (BIP 141)
    template = parse_template(ANSWER)
    assert template.sigop_limit == 80_000
    cost = 4 + sum(tx["sigops"] for tx in ANSWER["transactions"])
    outputs = [Output(value=template.value, script=p2pkh)]
    assert job_from(replace(template, sigop_limit=cost), outputs=outputs).prev_hash
    with pytest.raises(CoinbaseError, match=f"would cost {cost}, the node allows {cost - 1}"):
        job_from(replace(template, sigop_limit=cost - 1), outputs=outputs)


def test_a_signet_that_wants_signatures_is_refused_plainly():
    vector = next(v for v in load("signet_blocks")["rejects"] if v["id"] == "signet-unsigned")
    template = parse_template(vector["template"])
    with pytest.raises(TemplateError, match="must be signed for its challenge 512103ad5e0e"):
        job_from(template)


# The 20 minutes of the testnets


def on_testnet(*, curtime: int, bits: str = "1954fa04", height: int = 40_000) -> Template:
    answer = changed("bits", bits)
    answer["target"] = f"{target_from_nbits(int(bits, 16)):064x}"
    answer.update(curtime=curtime, mintime=curtime - 3000, height=height)
    return parse_template(answer)


PARENT = 1_724_957_000


def test_a_job_of_normal_difficulty_ends_20_minutes_after_its_parent():
    template = on_testnet(curtime=PARENT + 1200).bounded_by_parent(PARENT)
    assert (template.mintime, template.maxtime) == (PARENT - 1800, PARENT + 1200)
    job = job_from(template)
    assert job.ntime_max == PARENT + 1200


def test_a_job_of_difficulty_1_begins_only_then():
    template = on_testnet(curtime=PARENT + 1201, bits=EASY).bounded_by_parent(PARENT)
    assert (template.mintime, template.maxtime) == (PARENT + 1201, PARENT + 1201 + 7000)
    assert template.target == DIFFICULTY_1


def test_where_1_is_the_normal_difficulty_the_time_is_free():
    template = on_testnet(curtime=PARENT + 60, bits=EASY)
    assert template.bounded_by_parent(PARENT) == template


def test_the_first_block_of_a_period_is_exempt():
    template = on_testnet(curtime=PARENT + 1500, height=2016 * 20)
    assert template.bounded_by_parent(PARENT) == template
    second = on_testnet(curtime=PARENT + 1500, height=2016 * 20 + 1)
    assert second.bounded_by_parent(PARENT).mintime == PARENT + 1201


def test_bounds_are_only_ever_tightened():
    early = on_testnet(curtime=PARENT - 6900)
    assert early.bounded_by_parent(PARENT).maxtime == PARENT + 100
    late = replace(on_testnet(curtime=PARENT + 9000, bits=EASY), mintime=PARENT + 8000)
    assert late.bounded_by_parent(PARENT).mintime == PARENT + 8000


# Blocks


def accepted_job(vector, template: Template) -> tuple[Job, Share]:
    """The job and the share of a block that a node accepted, with its own coinbase."""
    stratum = vector["stratum"]
    notify, submit = stratum["notify_params"], stratum["submit_params"]
    job = replace(
        job_from(template),
        commitment=SplitCoinbase(
            prefix=bytes.fromhex(notify[2] + stratum["extranonce1"]),
            suffix=bytes.fromhex(notify[3]),
            path=tuple(bytes.fromhex(item) for item in notify[4]),
            extranonce_size=stratum["extranonce2_size"],
        ),
    )
    share = Share(
        job_id=job.id,
        extranonce=bytes.fromhex(submit[2]),
        ntime=int(submit[3], 16),
        nonce=int(submit[4], 16),
        version=job.version | (int(submit[5], 16) if len(submit) > 5 else 0),
    )
    return job, share


@pytest.mark.parametrize("vector", BLOCKS)
def test_the_block_that_a_node_accepted_is_assembled(vector):
    template = parse_template(vector["template"])
    theirs = read_block(bytes.fromhex(vector["block"]))
    parts = parse(theirs.transactions[0].full)
    # Two things that a job of ours never does: leave transactions or the commitment out.
    kept = template.transactions[: len(theirs.transactions) - 1]
    template = replace(template, transactions=kept)
    if parts.commitment is None:
        template = replace(template, commitment=None)
    job, share = accepted_job(vector, template)
    block = assemble_block(template, job, share)
    assert block[:80].hex() == vector["header"]
    assert hash_to_hex(sha256d(block[:80])) == vector["block_hash"]
    coinbase = theirs.transactions[0]
    if template.commitment is not None and parts.witness != (bytes(32),):
        # Nor this: a witness that is missing or has another reserved value.
        expected = bytes.fromhex(vector["block"]).replace(
            coinbase.full, with_witness(coinbase.stripped)
        )
    else:
        expected = bytes.fromhex(vector["block"])
    assert block.hex() == expected.hex()


@pytest.mark.parametrize("vector", TEMPLATES)
def test_a_block_of_our_own_job_is_whole_and_consistent(vector):
    template = parse_template(vector["template"])
    job = job_from(template, tag=b"x" * 200)
    share = share_with(job, extranonce=b"12345678", nonce=99, ntime=job.ntime + 5)
    block = read_block(assemble_block(template, job, share))
    assert block.root == block.header.root
    assert block.header.prev_hash == hash_from_hex(vector["template"]["previousblockhash"])
    assert (block.header.nonce, block.header.ntime) == (99, job.ntime + 5)
    parts = parse(block.transactions[0].full)
    assert len(parts.script_sig) == 100
    assert parts.witness == (bytes(32),)
    assert template.commitment is not None
    assert parts.commitment == template.commitment[6:]
    assert [tx.full.hex() for tx in block.transactions[1:]] == [
        tx["data"] for tx in vector["template"]["transactions"]
    ]
    assert [hash_to_hex(tx.txid) for tx in block.transactions[1:]] == [
        tx["txid"] for tx in vector["template"]["transactions"]
    ]


def test_a_job_without_its_coinbase_makes_no_block():
    template = parse_template(ANSWER)
    job = job_from(template).fix(bytes(8))
    with pytest.raises(ValueError, match="fixed merkle root"):
        assemble_block(template, job, share_with(job))


def test_a_share_with_the_wrong_extranonce_makes_no_block():
    template = parse_template(ANSWER)
    job = job_from(template)
    with pytest.raises(ValueError, match="8 bytes of extranonce, not 7"):
        assemble_block(template, job, share_with(job, extranonce=bytes(7), job_id=JobId(1)))


@pytest.mark.kernel
def test_blocks_of_our_own_jobs_are_valid_by_bitcoin_cores_consensus(tmp_path: Path):
    pytest.importorskip("pbk")
    kernel = pytest.importorskip("headframe.node.kernel")
    templates = {
        v["block_hash"]: parse_template(v["template"]) for v in load("gbt_blocks")["vectors"]
    }
    verdicts = {}
    with kernel.Kernel(tmp_path) as chain:
        for entry in load("regtest_replay")["vectors"]:
            if entry["submitblock"] not in (None, "inconclusive"):
                continue
            raw = bytes.fromhex(entry["block"])
            name = hash_to_hex(sha256d(raw[:80]))
            if name in templates:  # ours comes first, and is the tip until the replay overtakes it
                verdicts[name] = chain.submit(own_block(templates[name]))
            # submitblock of a node adds a missing witness, the library does not.
            coinbase = read_block(raw).transactions[0]
            if parse(coinbase.full).commitment is not None and not coinbase.has_witness:
                raw = raw.replace(coinbase.full, with_witness(coinbase.full))
            chain.submit(raw)
        assert chain.tip().height == 129
    assert verdicts == dict.fromkeys(templates)


def own_block(template: Template) -> bytes:
    """Mine a block on regtest: two outputs, a tag that is cut, rolled version bits."""
    outputs = [
        Output(value=template.value - 7, script=b"\x51"),
        Output(value=7, script=b"\x52"),
    ]
    job = job_from(template, outputs=outputs, tag=b"/headframe/" * 10)
    shares = (share_with(job, nonce=n, version=job.version | 0x6000) for n in range(100))
    found = next(share for share in shares if check(job, share, now=job.ntime).block)
    return assemble_block(template, job, found)


def repaid(template: Template, job: Job, script: bytes, **changes) -> Job:
    wishes = {
        "id": JobId(99),
        "outputs": [Output(value=template.value, script=script)],
        "tag": b"/headframe/",
        "room": room_of(template),
    }
    return repay(template, job, **{**wishes, **changes})


def test_a_job_that_pays_another_differs_in_that_alone():
    template = parse_template(ANSWER)
    script = b"\x51\x20" + bytes(range(32))
    job = job_from(template)
    other = repaid(template, job, script)
    assert other == job_from(
        template,
        lineage=Lineage(source=SourceId("node"), ids=count(99), epoch=4, generation=2),
        outputs=[Output(value=template.value, script=script)],
    )
    assert replace(other, id=job.id, commitment=job.commitment) == job
    block = read_block(assemble_block(template, other, share_with(other)))
    paid = parse(block.transactions[0].stripped).outputs
    assert [each.script for each in paid] == [script, template.commitment]


def test_who_is_paid_gets_no_more_than_there_is():
    template = parse_template(ANSWER)
    outputs = [Output(value=template.value + 1, script=b"\x51")]
    with pytest.raises(CoinbaseError, match="the outputs pay"):
        repaid(template, job_from(template), b"\x51", outputs=outputs)


def test_a_payee_that_makes_the_block_too_heavy_is_refused():
    template = parse_template(ANSWER)
    job = job_from(template)
    full = replace(room_of(template), weight=room_of(template).weight_limit)
    with pytest.raises(CoinbaseError, match="would weigh"):
        repaid(template, job, b"\x51", room=full)
