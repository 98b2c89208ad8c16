"""libbitcoinkernel through its one door."""

import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from headframe.chain.hashes import hash_from_hex, hash_to_hex
from headframe.node.coins import Coin
from headframe.node.errors import BlockDecodeError, KernelError, NoKernelError
from headframe.node.kernel import Kernel, load_library
from headframe.node.tx import parse_block
from tests.fakes.nodeparts import need_kernel
from tests.fakes.vectors import load

pytestmark = pytest.mark.kernel

REPLAY = load("regtest_replay")
BLOCKS = [bytes.fromhex(entry["block"]) for entry in REPLAY["vectors"]]
BY_ID = {entry["id"]: bytes.fromhex(entry["block"]) for entry in REPLAY["vectors"]}
TEMPLATES = {entry["id"]: entry for entry in load("gbt_blocks")["vectors"]}


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    need_kernel()
    with Kernel(tmp_path / "chain") as opened:
        yield opened


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    need_kernel()
    with Kernel(tmp_path_factory.mktemp("full")) as opened:
        for raw in BLOCKS:
            opened.submit(raw)
        yield opened


def test_the_recorded_answers_come_back_but_for_the_missing_witness(kernel: Kernel) -> None:
    for entry in REPLAY["vectors"]:
        answer = kernel.submit(bytes.fromhex(entry["block"]))
        if entry["id"] == "h107-nowit":  # repaired by the RPC alone, so not here
            assert answer == "bad-witness-nonce-size"
        elif entry["id"] == "h107-wit":
            assert answer is None
        else:
            assert answer == entry["submitblock"], entry["id"]
    assert hash_to_hex(kernel.tip().hash) == REPLAY["final_tip"]


def test_a_bad_block_is_remembered_as_such(full: Kernel) -> None:
    assert full.submit(BY_ID["rej-amount"]) == "duplicate-invalid"


RUBBISH = """
import gc, sys
from pathlib import Path
from headframe.node.kernel import Kernel, load_library
pbk = load_library()
others = [pbk.LoggingConnection(lambda line: None)]
def litter(line):
    if ready and others:
        ring = [others.pop()]
        ring.append(ring)  # rubbish from here on, which the collector alone finds
        del ring
        [[] for _ in range(100_000)]  # and now it would look
ready = []
listening = pbk.LoggingConnection(litter)
with Kernel(Path(sys.argv[1])) as kernel:
    assert gc.isenabled()
    ready.append(True)
    kernel.submit(bytes.fromhex(sys.stdin.read()))
    assert gc.isenabled()
    assert not others
print("done")
"""


def test_rubbish_of_the_librarys_is_not_freed_while_it_calls_us(tmp_path: Path) -> None:
    """It would wait for itself: freeing a connection takes the lock that a line is told under."""
    need_kernel()
    done = subprocess.run(
        [sys.executable, "-c", RUBBISH, str(tmp_path / "chain")],
        input=BLOCKS[0].hex(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr


def connections() -> int:
    """Count the library's connections in this process; others' kernels have theirs."""
    return sum(type(each).__name__ == "LoggingConnection" for each in gc.get_objects())


def test_an_open_that_fails_keeps_nothing_of_the_librarys(tmp_path: Path) -> None:
    need_kernel()
    (tmp_path / "blocks").write_text("no folder")
    before = connections()
    with pytest.raises(KernelError, match="cannot be opened") as caught:
        Kernel(tmp_path)
    assert caught.value is not None  # though it is still known where it came from
    assert connections() == before


@pytest.mark.parametrize("raw", [b"", b"\x00" * 79, BLOCKS[0][:-1]])
def test_what_is_no_whole_block_is_refused(kernel: Kernel, raw: bytes) -> None:
    with pytest.raises(BlockDecodeError):
        kernel.submit(raw)


def test_blocks_are_found_by_hash_and_by_height(full: Kernel) -> None:
    for height in (0, 1, 100, 129):
        entry = full.entry_at(height)
        assert entry is not None
        assert entry.height == height
        assert entry.header.hash() == entry.hash
        assert full.entry(entry.hash) == entry
        assert full.is_active(entry)
    tip = full.tip()
    assert tip == full.entry_at(129)
    assert full.block(tip.hash) == BLOCKS[-1]
    assert full.entry_at(130) is full.entry_at(-1) is None
    assert full.entry(bytes(32)) is None
    assert full.block(bytes(32)) is None


def test_a_block_off_the_best_chain_is_known_but_not_active(full: Kernel) -> None:
    stale = parse_block(BY_ID["h101-a"])
    entry = full.entry(stale.hash)
    assert entry is not None
    assert entry.height == 101
    assert not full.is_active(entry)
    assert full.block(stale.hash) == stale.raw


def test_only_the_header_of_a_refused_block_is_kept(full: Kernel) -> None:
    refused = parse_block(BY_ID["rej-height-plus1"])
    assert full.entry(refused.hash) is not None
    assert full.block(refused.hash) is None


def test_spent_coins_are_read_back(full: Kernel) -> None:
    block = parse_block(BY_ID["h110-5tx"])
    spent = full.spent_by(block.hash)
    fees = [
        sum(coin.value for coin in coins) - sum(output.value for output in tx.outputs)
        for tx, coins in zip(block.txs[1:], spent, strict=True)
    ]
    known = TEMPLATES["h110-5tx"]["template"]["transactions"]
    assert fees == [tx["fee"] for tx in known]
    genesis = full.entry_at(0)
    assert genesis is not None
    assert full.spent_by(genesis.hash) == []


def test_undo_data_that_is_not_there_is_an_error(full: Kernel) -> None:
    with pytest.raises(KernelError, match="no block"):
        full.spent_by(bytes(32))
    with pytest.raises(KernelError, match="no undo data"):
        full.spent_by(parse_block(BY_ID["rej-height-plus1"]).hash)


def test_scripts_are_run(full: Kernel) -> None:
    block = parse_block(BY_ID["h110-5tx"])
    for tx, coins in zip(block.txs[1:], full.spent_by(block.hash), strict=True):
        assert full.verifies(tx.raw, coins)
        worth_more = [coin._replace(value=coin.value + 1) for coin in coins]
        other = [Coin(coin.value, b"\x6a", coin.height, coinbase=False) for coin in coins]
        assert not full.verifies(tx.raw, other)
        if tx.has_witness:  # a signature in a witness commits to the amount
            assert not full.verifies(tx.raw, worth_more)


def test_a_clean_close_keeps_the_chain_and_leaves_no_mark(tmp_path: Path) -> None:
    need_kernel()
    kernel = Kernel(tmp_path)
    for raw in BLOCKS[:30]:
        kernel.submit(raw)
    tip = kernel.tip()
    assert (tmp_path / "dirty").exists()
    kernel.close()
    kernel.close()
    assert not (tmp_path / "dirty").exists()
    with Kernel(tmp_path) as again:
        assert again.tip() == tip


def test_a_dirty_chain_is_rebuilt_from_its_blocks(tmp_path: Path) -> None:
    need_kernel()
    kernel = Kernel(tmp_path)
    for raw in BLOCKS:
        kernel.submit(raw)
    kernel.close()
    (tmp_path / "dirty").touch()
    with Kernel(tmp_path) as again:
        assert hash_to_hex(again.tip().hash) == REPLAY["final_tip"]
        # Stored, and behind the best chain from the first: so it was not tried again.
        assert again.submit(BY_ID["rej-amount"]) == "duplicate"
        assert again.submit(BLOCKS[-1]) == "duplicate"


def test_a_second_opener_is_refused_and_harms_nothing(kernel: Kernel, tmp_path: Path) -> None:
    kernel.submit(BLOCKS[0])
    with pytest.raises(KernelError, match="another process has the chain") as caught:
        Kernel(tmp_path / "chain")
    assert "--datadir" in str(caught.value)
    assert (tmp_path / "chain" / "dirty").exists()
    kernel.submit(BLOCKS[1])


def test_a_folder_that_another_program_holds_is_refused(tmp_path: Path) -> None:
    """Such as a bitcoind, which knows nothing of our lock file."""
    need_kernel()
    with Kernel(tmp_path):
        (tmp_path / ".node-lock").unlink()
        with pytest.raises(KernelError, match="another process has the chain"):
            Kernel(tmp_path)


def test_a_spoilt_chain_is_refused_in_one_line(tmp_path: Path) -> None:
    need_kernel()
    Kernel(tmp_path).close()
    for path in (tmp_path / "blocks" / "index").iterdir():
        if path.name == "CURRENT":
            path.write_text("nonsense")
    with pytest.raises(KernelError, match="cannot be opened") as caught:
        Kernel(tmp_path)
    assert "\n" not in str(caught.value)
    assert "move the folder away" in str(caught.value)


def test_the_genesis_block_is_regtests(kernel: Kernel) -> None:
    assert kernel.tip().hash == hash_from_hex(REPLAY["genesis"])


def test_the_wrapper_is_the_one_we_know() -> None:
    need_kernel()
    assert isinstance(load_library(), ModuleType)
    assert issubclass(NoKernelError, Exception)
