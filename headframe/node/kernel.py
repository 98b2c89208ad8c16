"""libbitcoinkernel: the one module that touches its wrapper `pbk`.

The wrapper is alpha, so all of its habits are dealt with here:

- A refusal's exact reason is in the library's debug log alone (category VALIDATION, lines
  `BlockChecked: block hash=... state=REASON, detail`), and only if a validation callback is
  registered. All of it happens on the calling thread, before the call returns.
- State reaches the disk only when the manager object dies. Blocks themselves are written at
  once. So a file `dirty` lies in the folder while it is open; found at the next open, it means
  a crash, and the index is built anew from the block files before anything else is written.
- The library holds the lock of its log while it calls us with a line, so nothing of its may be
  freed there: see `collector`.
- The manager dies when the last reference to it or to a view of it goes. So nothing of the
  library's leaves this module: everything is copied to our own values at once.

Use one `Kernel` from one thread only.
"""

import contextlib
import ctypes
import fcntl
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, Final, Self

from headframe.chain.hashes import hash_to_hex
from headframe.chain.header import Header
from headframe.node.coins import Coin
from headframe.node.collector import collector_at_rest
from headframe.node.ears import Ears
from headframe.node.errors import BlockDecodeError, FolderError, KernelError, NoKernelError
from headframe.runtime.logs import get_logger

__all__ = ["Entry", "Kernel", "load_library"]

_DIRTY: Final = "dirty"
_LOCK: Final = ".node-lock"
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A block that the kernel knows, whether on the best chain or not.

    Attributes:
        hash: 32 bytes, header order.
        height: its distance from the genesis block.
        header: its header.
    """

    hash: bytes
    height: int
    header: Header


def load_library() -> ModuleType:
    """Import the wrapper.

    Raises:
        NoKernelError: it is not installed, or does not load on this machine.
    """
    try:
        pbk = importlib.import_module("pbk")
        importlib.import_module("pbk.notifications")  # the package does not import it by itself
    except (ImportError, OSError, RuntimeError) as error:
        raise NoKernelError(
            f"the embedded node needs libbitcoinkernel, which is not to be had here ({error}); "
            "install headframe[node] on Python 3.11 to 3.13, or use a bitcoind "
            "(headframe up --node bitcoind)"
        ) from error
    return pbk


class Kernel:
    """The chain in one folder, opened for this process alone."""

    def __init__(self, folder: Path) -> None:
        """Open the chain, after a crash from its block files.

        Args:
            folder: holds `blocks` and `chainstate`; made if it is not there.

        Raises:
            NoKernelError: no library.
            KernelError: it refuses the folder; the text has its words.
        """
        self._pbk: Any = load_library()
        self._raw: Any = self._pbk.capi.bindings
        self._folder = folder
        self._ears = Ears()
        self._manager: Any = None
        self._lock = _lock(folder)
        self._connection: Any = None
        self._context: Any = None
        dirty = folder / _DIRTY
        try:
            with collector_at_rest():
                self._connection = self._listen()
                self._context = self._make_context()
                if dirty.exists():
                    self._reindex()
                dirty.touch()
                self._manager = self._open(wipe=False)
        except BaseException:
            self._let_go()  # now: who keeps the error keeps this object
            raise

    def _listen(self) -> Any:
        pbk = self._pbk
        pbk.logging_set_options(pbk.LoggingOptions(log_timestamps=False))
        pbk.set_log_level_category(pbk.LogCategory.VALIDATION, pbk.LogLevel.DEBUG)
        pbk.enable_log_category(pbk.LogCategory.VALIDATION)
        ears = self._ears

        def on_line(line: str) -> None:  # the wrapper wants a plain function of one argument
            ears.on_line(line)

        return pbk.LoggingConnection(on_line)

    def _make_context(self) -> Any:
        pbk, ears = self._pbk, self._ears
        options = pbk.ContextOptions()
        options.set_chainparams(pbk.ChainParameters(pbk.ChainType.REGTEST))
        options.set_validation_interface(
            pbk.ValidationInterfaceCallbacks(block_checked=ears.on_checked)
        )
        options.set_notifications(
            pbk.notifications.NotificationInterfaceCallbacks(
                flush_error=ears.on_fatal, fatal_error=ears.on_fatal
            )
        )
        return pbk.Context(options)

    def _open(self, *, wipe: bool) -> Any:
        pbk = self._pbk
        blocks = self._folder / "blocks"
        self._ears.fault = ""
        try:
            options = pbk.ChainstateManagerOptions(
                self._context, str(self._folder.absolute()), str(blocks.absolute())
            )
            if wipe:
                options.set_wipe_dbs(wipe_block_tree_db=True, wipe_chainstate_db=True)
            return pbk.ChainstateManager(options)
        except RuntimeError as error:
            said = self._ears.fault or str(error)
            if "LOCK" in said:  # a bitcoind's, or another program's on the same library
                raise _in_use(self._folder) from error
            raise KernelError(
                f"the chain in {self._folder} cannot be opened: {said}; move the folder away to "
                "start anew"
            ) from error

    def _reindex(self) -> None:
        _log.warning("node_recovering", folder=str(self._folder), reason="not closed cleanly")
        manager = self._open(wipe=True)
        # The call's answer is not to be relied on in this release; the open that follows is.
        manager.import_blocks([])
        del manager  # its death writes the new index

    def close(self) -> None:
        """Write everything to disk and let the folder go. Harmless when already closed.

        Raises:
            KernelError: the state could not be written; the next open rebuilds it.
        """
        if self._manager is None:
            return
        self._let_go()
        if self._ears.fatal:
            raise KernelError(f"the chain's state could not be written: {self._ears.fatal}")
        (self._folder / _DIRTY).unlink(missing_ok=True)

    def _let_go(self) -> None:
        """Free what the library made, in this order, and the folder."""
        with collector_at_rest():
            self._manager = None
            self._context = None
            self._connection = None
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, raw: bytes) -> str | None:
        """Hand in a block, and answer as bitcoind's `submitblock` does.

        Args:
            raw: the serialised block; bytes after its end are ignored.

        Returns:
            `None` when it is valid and was connected; else BIP 22's word for what happened,
            `duplicate` and `inconclusive` (stored, but not on the best chain) among them.

        Raises:
            BlockDecodeError: there is no whole block at the start.
            KernelError: the library can no longer write.
        """
        # The wrapper's own constructor copies through a list of Python integers: 0.4 s a block.
        buffer = (ctypes.c_ubyte * len(raw)).from_buffer_copy(raw) if raw else None
        pointer = self._raw.btck_block_create(buffer, len(raw)) if raw else None
        if not pointer:
            raise BlockDecodeError("no whole block")
        block = self._pbk.Block._from_handle(pointer)  # noqa: SLF001 - see above
        self._ears.clear()
        is_new = True
        # When it raises, the reason was said on the way.
        with collector_at_rest(), contextlib.suppress(self._pbk.ProcessBlockException):
            is_new = self._manager.process_block(block)
        if self._ears.fatal:
            raise KernelError(f"libbitcoinkernel gave up: {self._ears.fatal}")
        if not is_new:
            return "duplicate"
        try:
            return self._ears.reason(bytes(block.block_hash))
        except KeyError:
            return "inconclusive"

    def tip(self) -> Entry:
        """Return the end of the best chain."""
        chain = self._manager.get_active_chain()
        return _entry(chain.block_tree_entries[chain.height])

    def entry(self, block_hash: bytes) -> Entry | None:
        """Look a block up by its hash (32 bytes, header order)."""
        found = self._find(block_hash)
        return None if found is None else _entry(found)

    def entry_at(self, height: int) -> Entry | None:
        """Look up the block at a height of the best chain."""
        chain = self._manager.get_active_chain()
        if not 0 <= height <= chain.height:
            return None
        return _entry(chain.block_tree_entries[height])

    def is_active(self, entry: Entry) -> bool:
        """Say whether a block is on the best chain."""
        found = self.entry_at(entry.height)
        return found is not None and found.hash == entry.hash

    def block(self, block_hash: bytes) -> bytes | None:
        """Read a block from disk; `None` when only its header is known, or nothing."""
        found = self._find(block_hash)
        if found is None:
            return None
        try:
            return bytes(self._manager.blocks[found])
        except RuntimeError:
            return None

    def spent_by(self, block_hash: bytes) -> list[list[Coin]]:
        """Read which coins a connected block spent.

        Returns:
            For each transaction but the coinbase, in block order, the coins of its inputs.

        Raises:
            KernelError: the block was never connected.
        """
        found = self._find(block_hash)
        if found is None:
            raise KernelError(f"no block {hash_to_hex(block_hash)}")
        if found.height == 0:
            return []
        try:
            undo = self._manager.block_spent_outputs[found]
        except RuntimeError as error:
            raise KernelError(f"no undo data for block {hash_to_hex(block_hash)}") from error
        return [[_coin(coin) for coin in spent.coins] for spent in undo.transactions]

    def verifies(self, tx: bytes, spent: Sequence[Coin]) -> bool:
        """Run the scripts of all inputs with the consensus rules of today.

        Args:
            tx: a whole transaction with its witness.
            spent: the coins that its inputs spend, in order; one for each.
        """
        pbk = self._pbk
        transaction = pbk.Transaction(tx)
        scripts = [pbk.ScriptPubkey(coin.script) for coin in spent]
        outputs = [
            pbk.TransactionOutput(script, coin.value)
            for script, coin in zip(scripts, spent, strict=True)
        ]
        data = pbk.script.PrecomputedTransactionData(transaction, outputs)
        flags = pbk.ScriptVerificationFlags.ALL
        return all(
            script.verify(coin.value, transaction, data, index, flags)
            for index, (script, coin) in enumerate(zip(scripts, spent, strict=True))
        )

    def _find(self, block_hash: bytes) -> Any:
        try:
            return self._manager.block_tree_entries[self._pbk.BlockHash(block_hash)]
        except KeyError:
            return None


def _in_use(folder: Path) -> FolderError:
    return FolderError(
        f"another process has the chain in {folder} open; stop it, or use another --datadir"
    )


def _lock(folder: Path) -> BinaryIO:
    """Take the folder for this process, before anything in it is looked at."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / _LOCK).open("wb")
    except OSError as error:
        raise FolderError(f"the folder {folder} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise _in_use(folder) from error
    return file


def _entry(found: Any) -> Entry:
    return Entry(
        hash=bytes(found.block_hash),
        height=found.height,
        header=Header.parse(bytes(found.block_header)),
    )


def _coin(found: Any) -> Coin:
    output = found.output
    return Coin(
        value=output.amount,
        script=bytes(output.script_pubkey),
        height=found.confirmation_height,
        coinbase=found.is_coinbase,
    )
