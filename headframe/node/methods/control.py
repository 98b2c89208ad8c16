"""Methods about the node itself, and about addresses."""

from typing import Final

from headframe import __version__
from headframe.chain.address import script_from_address
from headframe.chain.errors import AddressError
from headframe.node.core import NETWORK
from headframe.node.methods.params import Kind, Method, Param
from headframe.node.service import NodeService
from headframe.node.zmq import HIGH_WATER_MARK

__all__ = ["CONTROL_METHODS"]

_PROTOCOL: Final = 70016  # what bitcoind of the kernel's age speaks; this node has no peers


async def get_network_info(node: NodeService) -> object:
    """Who answers; it has no peers."""
    del node
    major, minor, patch = (int(part) for part in __version__.split(".")[:3])
    return {
        "version": major * 10000 + minor * 100 + patch,
        "subversion": f"/Headframe:{__version__}/",
        "protocolversion": _PROTOCOL,
        "localservices": "0000000000000000",
        "localservicesnames": [],
        "localrelay": False,
        "timeoffset": 0,
        "networkactive": False,
        "connections": 0,
        "connections_in": 0,
        "connections_out": 0,
        "networks": [],
        "relayfee": 0,
        "incrementalfee": 0,
        "localaddresses": [],
        "warnings": [],
    }


async def get_zmq_notifications(node: NodeService) -> object:
    """Where new blocks are published."""
    if not node.published_at:
        return []
    return [{"type": "pubhashblock", "address": node.published_at, "hwm": HIGH_WATER_MARK}]


async def uptime(node: NodeService) -> object:
    """Seconds since the start."""
    return node.uptime_seconds


async def stop(node: NodeService) -> object:
    """End the node, once this answer is out."""
    node.stop_requested.set()
    return "Headframe node stopping"


async def validate_address(node: NodeService, address: str) -> object:
    """Say whether an address can be paid on this network, and with which script."""
    del node
    try:
        script = script_from_address(address, NETWORK)
    except AddressError as error:
        return {"isvalid": False, "error_locations": [], "error": str(error)}
    about: dict[str, object] = {
        "isvalid": True,
        "address": address,
        "scriptPubKey": script.hex(),
        "isscript": _is_script(script),
        "iswitness": _is_witness(script),
    }
    if _is_witness(script):
        about["witness_version"] = script[0] - 0x50 if script[0] else 0
        about["witness_program"] = script[2:].hex()
    return about


def _is_witness(script: bytes) -> bool:
    return script[0] == 0 or 0x51 <= script[0] <= 0x60


def _is_script(script: bytes) -> bool:
    """Whether what is paid is a script: by its hash, or in a program that may hold one."""
    return script[0] == 0xA9 or (_is_witness(script) and len(script) == 34)


CONTROL_METHODS: Final = (
    Method(
        name="getnetworkinfo",
        about="Who answers; this node has no peers.",
        handler=get_network_info,
    ),
    Method(
        name="getzmqnotifications",
        about="Where new blocks are published by ZMQ.",
        handler=get_zmq_notifications,
    ),
    Method(name="stop", about="End the node in good order.", handler=stop),
    Method(name="uptime", about="Seconds since the node started.", handler=uptime),
    Method(
        name="validateaddress",
        about="Whether an address can be paid on this network, and with which script.",
        handler=validate_address,
        params=(Param("address", Kind.STRING),),
    ),
)
