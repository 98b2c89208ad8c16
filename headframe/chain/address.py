"""From an address to the script that an output pays.

Sources: base58check as Bitcoin Core has it, BIP 141 (witness programs), BIP 173
(bech32), BIP 350 (bech32m). A network is refused only where that is certain: the
testnets and signet share all prefixes, and base58 cannot tell regtest from them.
"""

from typing import Final

from headframe.chain.errors import AddressError
from headframe.chain.hashes import sha256d
from headframe.chain.network import Network

__all__ = ["script_from_address"]

_LONGEST: Final = 90  # BIP 173; base58 addresses of Bitcoin have 35 at most
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_CONSTANT: Final = 1
_BECH32M_CONSTANT: Final = 0x2BC830A3
_GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)

_HRP_OWNER: Final = {"bc": "mainnet", "tb": "testnet or signet", "bcrt": "regtest"}
_VERSION_OWNER: Final = {
    0: "mainnet",
    5: "mainnet",
    111: "testnet, signet or regtest",
    196: "testnet, signet or regtest",
}


def script_from_address(address: str, network: Network) -> bytes:
    """Make the output script that pays an address.

    Args:
        address: P2PKH, P2SH, or segwit of any version; segwit in one case throughout.
        network: where it is to be paid.

    Returns:
        The script: 4 to 42 bytes.

    Raises:
        AddressError: it is malformed, mistyped, or belongs to another network.
    """
    if not address:
        raise AddressError("an address is needed, and it is empty")
    if len(address) > _LONGEST:
        raise AddressError(
            f"{address[:24]!r}... has {len(address)} characters, an address at most {_LONGEST}"
        )
    if not address.isascii():
        raise _refuse(address, "has characters outside ASCII")
    hrp, separator, _ = address.lower().partition("1")
    if separator and hrp in _HRP_OWNER:
        return _segwit_script(address, hrp, network)
    return _base58_script(address, network)


def _refuse(address: str, fault: str) -> AddressError:
    return AddressError(f"address {address!r} {fault}")


def _ensure_network(address: str, owner: str, network: Network, *, matches: bool) -> None:
    if not matches:
        raise _refuse(address, f"is a {owner} address, this is {network.label}")


def _base58_script(address: str, network: Network) -> bytes:
    number = 0
    for character in address:
        digit = _BASE58.find(character)
        if digit < 0:
            raise _refuse(
                address,
                f"has the character {character!r}, which base58 does not know, and begins with "
                "none of bc1, tb1, bcrt1",
            )
        number = number * 58 + digit
    zeros = len(address) - len(address.lstrip("1"))
    raw = bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
    if len(raw) != 25:
        raise _refuse(address, f"holds {len(raw)} bytes, a base58 address holds 25")
    version, payload, checksum = raw[0], raw[1:21], raw[21:]
    if sha256d(raw[:21])[:4] != checksum:
        raise _refuse(address, "has a wrong checksum: it is mistyped or cut")
    owner = _VERSION_OWNER.get(version)
    if owner is None:
        raise _refuse(address, f"has version byte {version}, which is not Bitcoin's")
    _ensure_network(
        address,
        owner,
        network,
        matches=version in (network.p2pkh_version, network.p2sh_version),
    )
    if version == network.p2pkh_version:
        return b"\x76\xa9\x14" + payload + b"\x88\xac"
    return b"\xa9\x14" + payload + b"\x87"


def _segwit_script(address: str, hrp: str, network: Network) -> bytes:
    lower = address.lower()
    if address not in (lower, address.upper()):
        raise _refuse(address, "mixes upper and lower case; segwit addresses have one case")
    _ensure_network(address, _HRP_OWNER[hrp], network, matches=hrp == network.hrp)
    values = [_BECH32.find(character) for character in lower[len(hrp) + 1 :]]
    if -1 in values:
        bad = lower[len(hrp) + 1 + values.index(-1)]
        raise _refuse(address, f"has the character {bad!r}, which segwit addresses do not use")
    if len(values) < 7:
        raise _refuse(address, "is too short: it is cut")
    version = values[0]
    _ensure_checksum(address, hrp, values)
    if version > 16:
        raise _refuse(address, f"has witness version {version}, the last is 16")
    program = _octets(address, values[1:-6])
    if not 2 <= len(program) <= 40 or (version == 0 and len(program) not in (20, 32)):
        raise _refuse(
            address, f"has a program of {len(program)} bytes, witness version {version} never has"
        )
    return bytes((0x50 + version if version else 0, len(program))) + program


def _ensure_checksum(address: str, hrp: str, values: list[int]) -> None:
    expanded = [ord(c) >> 5 for c in hrp] + [0] + [ord(c) & 31 for c in hrp]
    found = _polymod(expanded + values)
    if found not in (_BECH32_CONSTANT, _BECH32M_CONSTANT):
        raise _refuse(address, "has a wrong checksum: it is mistyped or cut")
    wanted = _BECH32_CONSTANT if values[0] == 0 else _BECH32M_CONSTANT
    if found != wanted:
        names = {_BECH32_CONSTANT: "bech32", _BECH32M_CONSTANT: "bech32m"}
        raise _refuse(
            address,
            f"has a {names[found]} checksum, witness version {values[0]} takes {names[wanted]}",
        )


def _polymod(values: list[int]) -> int:
    """Compute the BCH checksum of BIP 173 over 5-bit values."""
    state = 1
    for value in values:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATOR):
            if top >> bit & 1:
                state ^= generator
    return state


def _octets(address: str, values: list[int]) -> bytes:
    """Regroup 5-bit values to bytes; what is left over is under 5 bits, all zero."""
    number = 0
    for value in values:
        number = number << 5 | value
    size, padding = divmod(5 * len(values), 8)
    if padding >= 5 or number & (1 << padding) - 1:
        raise _refuse(address, "has wrong padding: it was not made by an address encoder")
    return (number >> padding).to_bytes(size, "big")
