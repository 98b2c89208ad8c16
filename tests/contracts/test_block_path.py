"""A share whose hash meets the block target goes up, whatever else is wrong with it.

Law 13 over the wire: shares that are too easy, stale, sent twice, from the future, with
version bits that nobody granted, under a name that nobody let in, on a job that this rig
was never shown. What must arrive is computed here, with hashlib alone, from what stands
in `mining.notify`.
"""

import random
import struct
from hashlib import sha256
from typing import Any

import pytest

from headframe.chain.target import target_from_difficulty
from tests.fakes.mining import NTIME
from tests.fakes.proxying import proxying, rig_settings
from tests.fakes.rig import RawRig

BLOCK_TARGET = 2**253
"""One hash in eight is a block, and none is a share that the rig was asked for."""
SHARES = 120


def double(data: bytes) -> bytes:
    return sha256(sha256(data).digest()).digest()


def proof_of(shown: list[Any], extranonce: str, ntime: int, nonce: int, bits: int) -> int:
    """Hash what a rig claims, as a miner does that knows nothing but Stratum."""
    _, prev, coinb1, coinb2, branch, version, nbits, *_ = shown
    root = double(bytes.fromhex(coinb1 + extranonce + coinb2))
    for step in branch:
        root = double(root + bytes.fromhex(step))
    words = struct.unpack(">8I", bytes.fromhex(prev))
    header = struct.pack("<I8I", int(version, 16) ^ bits, *words) + root
    header += struct.pack("<III", ntime, int(nbits, 16), nonce)
    return int.from_bytes(double(header), "little")


@pytest.mark.parametrize("seed", range(6))
async def test_every_block_goes_up_once_whatever_its_rig_is_told(seed: int) -> None:
    chance = random.Random(seed)
    settings = rig_settings(start=target_from_difficulty(1))
    must_arrive: set[int] = set()
    answers: list[Any] = []
    async with proxying(rigs=settings) as proxy, RawRig.to(proxy.port) as rig:
        proxy.publish(block_target=BLOCK_TARGET, target=1)
        rig.send(1, "mining.subscribe", "raw/1")
        extranonce1 = (await rig.answer(1))["result"][1]
        rig.send(2, "mining.authorize", "raw", "x")
        jobs = [await rig.until("mining.notify")]
        sent: list[tuple[str, ...]] = []
        for number in range(10, 10 + SHARES):
            if chance.random() < 0.1:
                if chance.random() < 0.3:
                    proxy.maker.new_block()
                proxy.publish(block_target=BLOCK_TARGET, target=1, coinbase=bytes([number]))
                jobs = [*jobs, await rig.until("mining.notify")][-2:]
            shown = chance.choice(jobs)
            ntime = chance.choice([NTIME, NTIME, NTIME + 1, NTIME - 1, NTIME + 99_999])
            nonce, extranonce2 = chance.randrange(2**32), chance.randbytes(4).hex()
            fields: tuple[str, ...] = (
                chance.choice(["raw", "raw", "stranger"]),
                shown[0],
                extranonce2,
                f"{ntime:08x}",
                f"{nonce:08x}",
            )
            if sent and chance.random() < 0.2:
                fields = chance.choice(sent)
            else:
                proof = proof_of(shown, extranonce1 + extranonce2, ntime, nonce, 0)
                if proof <= BLOCK_TARGET:
                    must_arrive.add(proof)
            sent.append(fields)
            rig.send(number, "mining.submit", *fields)
            answers.append((await rig.answer(number))["result"])
        assert must_arrive
        assert set(proxy.source.proofs()) == must_arrive
        assert len(proxy.source.sent) == len(must_arrive)
        assert not any(answers), "the rig was asked for much harder ones"
        assert {worker for _, worker, _ in proxy.source.sent} == {None}


async def test_a_block_of_a_job_that_this_rig_was_never_shown_goes_up() -> None:
    settings = rig_settings(start=target_from_difficulty(1))
    async with (
        proxying(rigs=settings) as proxy,
        RawRig.to(proxy.port) as early,
        RawRig.to(proxy.port) as late,
    ):
        proxy.publish(block_target=BLOCK_TARGET, target=1)
        first = await early.join()
        proxy.publish(block_target=BLOCK_TARGET, target=1, coinbase=b"2")
        late.send(1, "mining.subscribe", "raw/1")
        extranonce1 = (await late.answer(1))["result"][1]
        late.send(2, "mining.authorize", "raw", "x")
        await late.until("mining.notify")
        nonce = next(
            nonce
            for nonce in range(1000)
            if proof_of(first, extranonce1 + "00000000", NTIME, nonce, 0) <= BLOCK_TARGET
        )
        late.send(3, "mining.submit", "raw", first[0], "00000000", f"{NTIME:08x}", f"{nonce:08x}")
        assert (await late.answer(3))["error"] is not None
        assert proxy.source.proofs() == [proof_of(first, extranonce1 + "00000000", NTIME, nonce, 0)]
