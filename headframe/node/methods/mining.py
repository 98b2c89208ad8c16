"""Methods that miners call."""

from functools import partial
from typing import Any, Final

from headframe.chain.address import script_from_address
from headframe.chain.errors import AddressError
from headframe.chain.hashes import hash_to_hex
from headframe.chain.target import target_from_nbits
from headframe.node.core import NETWORK, NodeCore
from headframe.node.describe import difficulty
from headframe.node.errors import BlockDecodeError, Code, RpcError
from headframe.node.methods.params import REQUIRED, Kind, Method, Param, parse_hash
from headframe.node.service import NodeService
from headframe.node.template import make_template

__all__ = ["MINING_METHODS"]

_MOST_TRIES: Final = 1_000_000


async def get_block_template(node: NodeService, template_request: dict[str, Any]) -> object:
    """Template of the next block; with a `longpollid`, once it differs from that one's."""
    match template_request.get("mode", "template"):
        case "template":
            pass
        case "proposal":
            raise RpcError(
                Code.INVALID_PARAMETER,
                "proposal mode is not supported by this node; use a bitcoind for it",
            )
        case _:
            raise RpcError(Code.INVALID_PARAMETER, "Invalid mode")
    longpoll_id = template_request.get("longpollid")
    if isinstance(longpoll_id, str):
        await _long_poll(node, longpoll_id)
    rules = template_request.get("rules")
    if not isinstance(rules, list) or "segwit" not in rules:
        raise RpcError(
            Code.INVALID_PARAMETER,
            "getblocktemplate must be called with the segwit rule set "
            '(call with {"rules": ["segwit"]})',
        )
    return make_template(await node.run(lambda core: core.draft()))


async def _long_poll(node: NodeService, longpoll_id: str) -> None:
    watched = parse_hash(longpoll_id[:64], "longpollid")
    digits = longpoll_id[64:]
    changes = int(digits) if digits.isascii() and digits.isdigit() else 0
    tip = await node.wait_tip(lambda tip: tip.hash != watched, node.waits.mempool_seconds)
    if tip.hash == watched:
        await node.wait_tip(
            lambda tip: tip.hash != watched or tip.changes != changes,
            node.waits.longest_seconds,
        )


async def submit_block(node: NodeService, hexdata: str, dummy: object) -> object:
    """Take a block: null for a new best one, else BIP 22's word."""
    del dummy
    try:
        raw = bytes.fromhex(hexdata)
        return await node.run(lambda core: core.submit(raw))
    except (BlockDecodeError, ValueError):
        raise RpcError(Code.DESERIALIZATION, "Block decode failed") from None


async def generate_to_address(
    node: NodeService, nblocks: int, address: str, maxtries: int
) -> object:
    """Mine so many blocks here and now; list their hashes."""
    try:
        script = script_from_address(address, NETWORK)
    except AddressError:
        raise RpcError(Code.INVALID_ADDRESS_OR_KEY, "Error: Invalid address") from None
    hashes: list[str] = []
    while len(hashes) < nblocks:  # one job for each, so that other calls come in between
        found, maxtries = await node.run(partial(NodeCore.mine, script=script, tries=maxtries))
        if found is None:
            break
        hashes.append(hash_to_hex(found))
    return hashes


async def get_mining_info(node: NodeService) -> object:
    """What a miner wants to know at a glance."""

    def look(core: NodeCore) -> dict[str, object]:
        nbits = core.kernel.tip().header.nbits
        hardness: dict[str, object] = {
            "bits": f"{nbits:08x}",
            "difficulty": difficulty(nbits),
            "target": f"{target_from_nbits(nbits):064x}",
        }
        return {
            "blocks": core.height,
            **hardness,
            "networkhashps": core.hashes_per_second(),
            "pooledtx": len(core.mempool.entries),
            "chain": NETWORK.value,
            "next": {"height": core.height + 1, **hardness},
            "warnings": [],
        }

    return await node.run(look)


MINING_METHODS: Final = (
    Method(
        name="generatetoaddress",
        about="Mine blocks at once, paying an address; returns their hashes.",
        handler=generate_to_address,
        params=(
            Param("nblocks", Kind.NUMBER),
            Param("address", Kind.STRING),
            Param("maxtries", Kind.NUMBER, _MOST_TRIES),
        ),
    ),
    Method(
        name="getblocktemplate",
        about="What the next block must be like (BIP 22, 23, 9, 145); rules must name segwit.",
        handler=get_block_template,
        params=(Param("template_request", Kind.OBJECT, REQUIRED),),
    ),
    Method(
        name="getmininginfo",
        about="What a miner wants to know at a glance.",
        handler=get_mining_info,
    ),
    Method(
        name="submitblock",
        about="Take a block: null for a new best one, else the reason (BIP 22).",
        handler=submit_block,
        params=(Param("hexdata", Kind.STRING), Param("dummy", Kind.ANY, "")),
    ),
)
