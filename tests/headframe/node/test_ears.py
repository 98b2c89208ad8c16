"""What is heard of libbitcoinkernel's log and callbacks."""

import ctypes
import threading
from types import SimpleNamespace

import pytest

from headframe.node.ears import Ears

HASH = bytes(range(32))
SHOWN = HASH[::-1].hex()


def said(state: str) -> str:
    return f"[validation] BlockChecked: block hash={SHOWN} state={state}\n"


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("Valid", None),
        ("prev-blk-not-found", "prev-blk-not-found"),
        ("bad-cb-height, block height mismatch in coinbase", "bad-cb-height"),
        ("bad-version(0x00000001), rejected nVersion=0x00000001 block", "bad-version(0x00000001)"),
        (
            "block-script-verify-flag-failed (a, b), input 0 of ab, spending cd:0",
            "block-script-verify-flag-failed (a, b)",
        ),
    ],
)
def test_the_reason_is_what_stands_before_the_detail(state: str, reason: str | None) -> None:
    ears = Ears()
    ears.on_line(said(state))
    assert ears.reason(HASH) == reason


def test_the_last_word_on_a_block_counts() -> None:
    ears = Ears()
    ears.on_line(said("Valid"))
    ears.on_line(said("bad-cb-amount, coinbase pays too much"))
    assert ears.reason(HASH) == "bad-cb-amount"


def test_a_block_of_which_nothing_was_said_is_unknown() -> None:
    ears = Ears()
    ears.on_line(said("Valid"))
    ears.clear()
    with pytest.raises(KeyError):
        ears.reason(HASH)


def test_the_callback_stands_in_when_the_log_says_nothing() -> None:
    ears = Ears()
    ears.on_checked(None, SimpleNamespace(block_hash=HASH), SimpleNamespace(validation_mode=1))
    assert ears.reason(HASH) == "rejected"
    ears.on_checked(None, SimpleNamespace(block_hash=bytes(32)), SimpleNamespace(validation_mode=0))
    with pytest.raises(KeyError):
        ears.reason(bytes(32))


def test_lines_of_another_thread_are_another_kernels() -> None:
    ears = Ears()
    thread = threading.Thread(target=ears.on_line, args=(said("Valid"),))
    thread.start()
    thread.join()
    with pytest.raises(KeyError):
        ears.reason(HASH)


def test_errors_are_kept_for_the_message() -> None:
    ears = Ears()
    ears.on_line("[error] Fatal LevelDB error: lock\n")
    ears.on_line("something else\n")
    assert ears.fault == "Fatal LevelDB error: lock"
    text = ctypes.create_string_buffer(b"disk full, and more")
    ears.on_fatal(None, text, 9)
    assert ears.fatal == "disk full"
