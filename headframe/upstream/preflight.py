"""What a node must be before we mine on it: the right chain, synchronised, and ours to mine.

Test chains hand out templates while they are far behind, so we ask ourselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from headframe.chain.job import SourceId
from headframe.chain.network import Network
from headframe.upstream.base import BadUpstreamError
from headframe.upstream.node import NodeRpc

__all__ = ["OPEN_CHALLENGE", "Chain", "chain_of", "inspect_chain"]

OPEN_CHALLENGE: Final = "51"
"""OP_TRUE, in hex: a signet whose blocks need no signature."""
_BEHIND_BLOCKS: Final = 3
"""A node that knows of this many more headers than it has blocks is still loading them;
fewer come with every new block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The chain of a node.

    Attributes:
        network: which one.
        private: regtest, or a signet that anybody may mine: nobody else sets the pace.
        height: of its best block.
        tip: hash of its best block, display hex.
        work: hashes that its best chain stands for; 0 where the node does not say.
    """

    network: Network
    private: bool
    height: int
    tip: str
    work: int = 0


async def inspect_chain(rpc: NodeRpc, *, source: SourceId, allow_mainnet: bool) -> Chain:
    """Ask a node for its chain and refuse what we may not, or cannot, mine.

    Raises:
        BadUpstreamError: as `chain_of`.
        UpstreamError: the node could not be asked.
    """
    answer = await rpc.call("getblockchaininfo")
    if not isinstance(answer, dict):
        raise BadUpstreamError(f"{source} is no bitcoind: its getblockchaininfo is no object")
    return chain_of(answer, source=source, allow_mainnet=allow_mainnet)


def chain_of(info: Mapping[str, Any], *, source: SourceId, allow_mainnet: bool) -> Chain:
    """Read the answer of `getblockchaininfo`.

    Raises:
        BadUpstreamError: an unknown chain, mainnet without leave, a signet that needs
            signatures, a node that is still synchronising. Says which, and what to do.
    """
    try:
        network = Network(info["chain"])
        height, headers = int(info["blocks"]), int(info["headers"])
        tip = str(info["bestblockhash"])
        work = int(str(info.get("chainwork", "0")), 16)
    except (KeyError, TypeError, ValueError) as error:
        raise BadUpstreamError(
            f"{source}: getblockchaininfo makes no sense ({type(error).__name__}: {error}): "
            "is it a Bitcoin node?"
        ) from None
    challenge = info.get("signet_challenge")
    private = network is Network.REGTEST or challenge == OPEN_CHALLENGE
    if network is Network.MAIN and not allow_mainnet:
        raise BadUpstreamError(
            f"{source} is on mainnet, which is refused unless allow_mainnet is set: use a node on "
            "regtest, testnet4 or a signet of your own"
        )
    if network is Network.SIGNET and challenge not in {None, OPEN_CHALLENGE}:
        raise BadUpstreamError(
            f"{source} is on a signet whose blocks must be signed by its owners, so it cannot be "
            f"mined (challenge {str(challenge)[:20]}...): use regtest, testnet4, or a signet of "
            f"your own, made by bitcoind -chain=signet -signetchallenge={OPEN_CHALLENGE} or by "
            "headframe up --network signet"
        )
    behind = headers - height
    syncing = info.get("initialblockdownload") is True or behind >= _BEHIND_BLOCKS
    # A private chain counts as "in initial download" until its first block of today.
    if syncing and not (private and behind < _BEHIND_BLOCKS) and network is not Network.REGTEST:
        raise BadUpstreamError(
            f"{source} is still synchronising {network.label} (block {height} of {headers} known): "
            "mining starts when it has caught up"
        )
    return Chain(network=network, private=private, height=height, tip=tip, work=work)
