"""A miner that goes through thousands of jobs, terms and connections, and is none the larger.

The miner is the installed program; the pool changes its mind all the time. What the miner
holds is read from the system: memory, threads, open files.
"""

import itertools
from collections.abc import Callable, Sized
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from headframe.chain.share import Reason
from headframe.chain.target import Target
from tests.fakes.pool import FakePool, Heard
from tests.fakes.programs import headframe, until

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(600)]

RARE = Target(1 << 224)
"""One share in 2^32 hashes: the jobs in between bring none."""
SOME = Target(1 << 236)
"""One in a million hashes: soon after it is shown there is one."""
MASKS = (0x1FFFE000, 0x00C00000, 0, 0x00002000)
WARM_ROUNDS, ROUNDS = 40, 120
JOBS_OF_A_ROUND = 40


@dataclass(frozen=True)
class Held:
    """What a process holds."""

    kilobytes: int
    threads: int
    files: int


def held_by(pid: int) -> Held:
    facts = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return Held(
        kilobytes=int(facts["VmRSS"].split()[0]),
        threads=int(facts["Threads"]),
        files=sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()),
    )


def upset(pool: FakePool, number: int) -> None:
    """Change everything that a pool can change: jobs, tips, difficulty, mask, extranonce."""
    for index in range(JOBS_OF_A_ROUND):
        target = Target(int(RARE) >> (index % 7))
        if index % 3:
            pool.new_job(target=target, clean=not index % 5)
        else:
            pool.new_block(target=target)
    pool.mask = MASKS[number % len(MASKS)]
    pool.say(b'{"id":null,"method":"mining.set_version_mask","params":["%08x"]}\n' % pool.mask)
    pool.move_rigs(number.to_bytes(4, "big"))


def _good(pool: FakePool) -> list[Heard]:
    return [each for each in pool.heard.get() if each.truth is Reason.ACCEPTED]


def _more(what: Callable[[], Sized], count: int) -> bool:
    return len(what()) > count


async def test_thousands_of_jobs_and_hundreds_of_connections_leave_nothing_behind(
    tmp_path: Path,
) -> None:
    async with FakePool() as pool:
        pool.new_block(target=RARE)
        url = f"stratum+tcp://127.0.0.1:{pool.port}"
        args = ["--url", url, "--user", "rig", "--threads", "1"]
        args += ["--set", "pools.stable_seconds=0.01"]  # else it waits long before the next try
        async with headframe("mine", *args, folder=tmp_path) as miner:
            await until(lambda: pool.users, "the miner to log in", miner)
            pid = miner.child.process.pid
            levels: list[Held] = []
            connections = itertools.count(2)
            for number in range(ROUNDS):
                await until(lambda: pool.can_move, "it to ask for changes of extranonces", miner)
                upset(pool, number)
                pool.new_block(target=SOME)
                good = partial(_good, pool)
                await until(partial(_more, good, len(good())), "a good share", miner)
                if number % 4 == 3:
                    logins = len(pool.users)
                    await pool.drop()
                    await pool.wait_connections(next(connections))
                    await until(partial(_more, lambda: pool.users, logins), "a login", miner)
                if number in {WARM_ROUNDS - 1, ROUNDS - 1}:
                    levels.append(held_by(pid))
            status = await miner.status()
    before, after = levels
    assert after.threads <= before.threads
    assert after.files <= before.files + 1  # a connection of the test to its page
    assert after.kilobytes <= before.kilobytes + 3000, levels
    assert status["shares"]["accepted"] >= ROUNDS
    assert {each.truth.value for each in pool.wrong} <= {"stale"}
