from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from headframe.chain.coinbase import Output, parse
from headframe.chain.errors import TemplateError
from headframe.chain.hashes import hash_from_hex, sha256d
from headframe.chain.job import Lineage, SourceId, SplitCoinbase
from headframe.chain.network import Network
from headframe.chain.stopgap import TipHeader, parse_tip, stopgap
from headframe.chain.target import target_from_nbits
from headframe.chain.template import Template, make_job, parse_template
from tests.fakes.vectors import load

VECTOR = next(v for v in load("gbt_blocks")["vectors"] if v["id"] == "h113-11tx-rolled")
LAST = parse_template(VECTOR["template"])
TIME = LAST.curtime
ANSWER = {
    "hash": "00" * 31 + "11",
    "height": 113,
    "time": TIME,
    "mediantime": TIME - 300,
    "bits": "1c0fffff",
}
TIP = parse_tip(ANSWER)
EMPTY_COMMITMENT = "6a24aa21a9ede2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf9"
"""Of every block without transactions: what nodes answer, see BIP 141."""


def test_a_header_is_read_as_nodes_write_it():
    # Bitcoin's genesis block, as getblockheader tells it.
    tip = parse_tip(
        {
            "hash": "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
            "height": 0,
            "time": 1231006505,
            "mediantime": 1231006505,
            "bits": "1d00ffff",
            "confirmations": 1,
        }
    )
    genesis = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"
    assert tip == TipHeader(
        hash=hash_from_hex(genesis),
        height=0,
        time=1231006505,
        median_time=1231006505,
        nbits=0x1D00FFFF,
    )


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("time", "late", "time should be a whole number"),
        ("mediantime", None, "mediantime should be a whole number"),
        ("bits", "ff123456", "bits: nbits ff123456 overflow"),
        ("hash", "11", "hash should be 64 hex digits"),
        ("height", -1, "height is -1, outside"),
    ],
)
def test_a_header_that_makes_no_sense_is_refused(name, value, message):
    with pytest.raises(TemplateError, match=f"^template: getblockheader.{message}"):
        parse_tip({**ANSWER, name: value})


def made(network: Network, *, last: Template = LAST, now: int = TIME + 5, **tip: Any) -> Template:
    template = stopgap(last, replace(TIP, **tip), network, now=now)
    assert template is not None
    return template


def test_an_empty_block_follows_from_the_tip_alone():
    template = made(Network.SIGNET)
    assert (template.prev_hash, template.height) == (TIP.hash, 114)
    assert (template.mintime, template.curtime) == (TIME - 299, TIME + 5)
    assert template.target == target_from_nbits(0x1C0FFFFF)
    assert (template.transactions, template.path) == ((), ())
    assert (template.commitment or b"").hex() == EMPTY_COMMITMENT
    assert template.longpoll_id == ""
    job = make_job(
        template,
        lineage=Lineage(SourceId("node"), count(1)),
        outputs=[Output(value=template.value, script=b"\x51")],
        extranonce_size=8,
        tag=b"",
        version_mask=0,
        block_target=None,
    )
    assert isinstance(job.commitment, SplitCoinbase)
    coinbase = job.commitment.coinbase(bytes(8))
    assert job.commitment.root(bytes(8)) == sha256d(coinbase)
    assert parse(coinbase).height == 114


@pytest.mark.parametrize(
    ("network", "height", "subsidy"),
    [
        (Network.REGTEST, 148, 5_000_000_000),
        (Network.REGTEST, 149, 2_500_000_000),
        (Network.REGTEST, 4948, 1),
        (Network.REGTEST, 4949, 0),  # from height 4,950 on a regtest block creates nothing
        (Network.MAIN, 839_998, 625_000_000),
        (Network.MAIN, 839_999, 312_500_000),
    ],
)
def test_it_pays_the_subsidy_of_its_height_and_no_fees(network, height, subsidy):
    assert made(network, height=height).value == subsidy


def test_time_is_after_the_median_however_slow_the_clock_is():
    assert made(Network.REGTEST, now=0).curtime == TIME - 299


def test_before_segwit_nothing_is_committed_to():
    assert made(Network.REGTEST, last=replace(LAST, commitment=None)).commitment is None


@pytest.mark.parametrize("network", list(Network))
def test_the_first_block_of_a_period_has_bits_that_nobody_knows_yet(network):
    assert stopgap(LAST, replace(TIP, height=4031), network, now=TIME) is None
    assert stopgap(LAST, replace(TIP, height=4030), network, now=TIME) is not None
    assert stopgap(LAST, replace(TIP, height=4032), network, now=TIME) is not None


@pytest.mark.parametrize("network", [Network.TESTNET3, Network.TESTNET4])
def test_on_the_testnets_bits_hold_for_twenty_minutes(network):
    template = made(network, now=TIME + 1200)
    assert (template.curtime, template.maxtime) == (TIME + 1200, TIME + 1200)
    assert made(network, now=TIME).maxtime == TIME + 1200
    assert stopgap(LAST, TIP, network, now=TIME + 1201) is None


@pytest.mark.parametrize("network", [Network.TESTNET3, Network.TESTNET4])
def test_on_the_testnets_an_easy_block_does_not_tell_the_normal_bits(network):
    assert stopgap(LAST, replace(TIP, nbits=0x1D00FFFF), network, now=TIME) is None
    assert made(Network.MAIN, nbits=0x1D00FFFF).nbits == 0x1D00FFFF
