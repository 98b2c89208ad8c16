import pytest

from headframe.chain.address import script_from_address
from headframe.chain.network import Network
from headframe.upstream.payees import PayTo
from proxy.payouts import MOST_PAYEES, PayoutError, Payouts

# BIP 173's and BIP 350's examples, and Bitcoin Core's.
WPKH = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
TAPROOT = "bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6"
TESTNET = "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"


def payouts(
    pay_to: PayTo = PayTo.LOGIN, network: str = "regtest", most: int = MOST_PAYEES
) -> Payouts:
    return Payouts(lambda: pay_to, lambda: network, most=most)


def test_a_login_is_who_is_paid():
    book = payouts()
    payee = book.claim(f"{WPKH}.rig")
    assert payee is not None
    assert payee.address == WPKH
    assert payee.script == script_from_address(WPKH, Network.REGTEST)
    assert len(book) == 1
    book.release(payee)
    assert len(book) == 0


def test_where_the_settings_say_who_is_paid_any_login_will_do():
    book = payouts(PayTo.ADDRESS)
    assert book.claim("rig7") is book.claim(WPKH) is None
    book.ensure_same(TAPROOT, None)
    book.release(None)
    assert len(book) == 0


@pytest.mark.parametrize(
    ("login", "words"),
    [("rig7", "a base58 address holds 25"), (TESTNET, "is a testnet or signet address")],
)
def test_a_login_that_is_no_address_here_is_refused(login: str, words: str):
    book = payouts()
    with pytest.raises(PayoutError, match=words) as caught:
        book.claim(login)
    assert "\n" not in str(caught.value)
    assert len(book) == 0


def test_where_it_may_be_either_the_operator_gets_what_no_address_claims():
    book = payouts(PayTo.LOGIN_OR_ADDRESS)
    assert book.claim("rig7") is book.claim(TESTNET) is None
    assert book.claim(WPKH) is not None


def test_before_the_network_is_known_any_address_will_do():
    assert payouts(network="").claim(TESTNET) is not None


def test_connections_of_one_script_are_one_payee():
    book = payouts()
    first, second = book.claim(f"{WPKH}.1"), book.claim(WPKH.upper())
    assert len(book) == 1
    book.release(first)
    assert len(book) == 1
    book.release(second)
    assert len(book) == 0


def test_a_claim_made_again_is_held_once_and_another_replaces_it():
    book = payouts()
    first = book.claim(WPKH)
    assert book.claim(f"{WPKH}.again", first) is first
    other = book.claim(TAPROOT, first)
    assert other is not None
    assert other.address == TAPROOT
    assert len(book) == 1
    book.release(other)
    assert len(book) == 0


def test_a_claim_that_falls_away_is_released():
    told = [PayTo.LOGIN]
    book = Payouts(lambda: told[0], lambda: "regtest")
    first = book.claim(WPKH)
    told[0] = PayTo.ADDRESS
    assert book.pay_to is PayTo.ADDRESS
    assert book.claim(WPKH, first) is None
    assert len(book) == 0


def test_payees_are_bounded_and_a_place_that_is_left_is_free():
    book = payouts(most=1)
    first = book.claim(WPKH)
    with pytest.raises(PayoutError, match="paid to 1 addresses already"):
        book.claim(TAPROOT)
    assert book.claim(f"{WPKH}.2") is not None
    book.release(first)
    with pytest.raises(PayoutError):
        book.claim(TAPROOT)
    book.release(first)
    assert book.claim(TAPROOT) is not None


def test_all_workers_of_a_connection_are_paid_alike():
    book = payouts()
    payee = book.claim(f"{WPKH}.1")
    book.ensure_same(f"{WPKH}.2", payee)
    with pytest.raises(PayoutError, match=f"this connection pays {WPKH}"):
        book.ensure_same(TAPROOT, payee)
    with pytest.raises(PayoutError, match="user name must be"):
        book.ensure_same("rig7", payee)
    either = payouts(PayTo.LOGIN_OR_ADDRESS)
    either.ensure_same("rig7", None)
    with pytest.raises(PayoutError, match="pays the operator's address"):
        either.ensure_same(WPKH, None)
    with pytest.raises(PayoutError, match=f"pays {WPKH}"):
        either.ensure_same("rig7", payee)
