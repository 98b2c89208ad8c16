"""The table of RPC methods. To add one: a function in its topic's module, and its row there."""

from typing import Final

from headframe.node.methods.chain import CHAIN_METHODS
from headframe.node.methods.control import CONTROL_METHODS
from headframe.node.methods.mempool import MEMPOOL_METHODS
from headframe.node.methods.mining import MINING_METHODS
from headframe.node.methods.params import Kind, Method, Param
from headframe.node.service import NodeService

__all__ = ["METHODS"]


async def _help(node: NodeService, command: str) -> object:
    del node
    if not command:
        return "\n".join(METHODS[name].usage for name in sorted(METHODS))
    if command not in METHODS:
        return f"help: unknown command: {command}"
    return METHODS[command].help


_HELP: Final = Method(
    name="help",
    about="All commands, or what one does.",
    handler=_help,
    params=(Param("command", Kind.STRING, ""),),
)

METHODS: Final[dict[str, Method]] = {
    method.name: method
    for method in (
        *CHAIN_METHODS,
        *CONTROL_METHODS,
        *MEMPOOL_METHODS,
        *MINING_METHODS,
        _HELP,
    )
}
"""All methods by name."""
