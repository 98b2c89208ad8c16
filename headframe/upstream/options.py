"""Settings of upstreams, as they stand in a file: each one, and all together."""

from enum import StrEnum
from typing import Annotated, Final

import msgspec

from headframe.chain.job import BIP320_MASK
from headframe.upstream.payees import PayTo
from headframe.upstream.redirect import Reconnect

__all__ = ["BlocksSettings", "PoolsSettings", "StrategyName", "UpstreamSettings"]

_EXTRANONCE_MAX: Final = 32
_MASK_MAX: Final = 0x1FFFFFFF


class StrategyName(StrEnum):
    """How several upstreams are used; the values are those of the setting."""

    FAILOVER = "failover"
    QUOTA = "quota"
    ROTATE = "rotate"


class PoolsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How several upstreams are used together."""

    strategy: Annotated[
        StrategyName,
        msgspec.Meta(
            description="failover: the first that works. quota: all, each for its `weight` of the "
            "time. rotate: each in turn, for the same time."
        ),
    ] = StrategyName.FAILOVER
    standby: Annotated[
        bool,
        msgspec.Meta(
            description="Keep the upstream after the one in use connected, too, so that a "
            "failover loses no time."
        ),
    ] = False
    stable_seconds: Annotated[
        float,
        msgspec.Meta(
            ge=0,
            description="How long an upstream that is back must have had work before it is "
            "preferred to the one in use; longer each time it fails soon after, up to 16 "
            "times as long.",
        ),
    ] = 60.0
    lag_seconds: Annotated[
        float,
        msgspec.Meta(
            ge=0,
            description="How long an upstream may send work on a block that another one of them "
            "has left behind, before it is not used until it has caught up; 0: for ever. Seen "
            "only while both are connected, as with `standby`.",
        ),
    ] = 120.0
    turn_seconds: Annotated[
        float,
        msgspec.Meta(
            ge=1, description="How long an upstream is worked for at a time, with quota and rotate."
        ),
    ] = 300.0


class BlocksSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is done for found blocks."""

    submit_to: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="Nodes that get every found block and nothing else, beside all nodes that "
            "are mined on: bitcoind+http://user:password@host:port; without a user, the cookie "
            "is looked for by the chain that the port belongs to."
        ),
    ] = ()
    hook: Annotated[
        str,
        msgspec.Meta(
            description="A URL that is told by POST, in JSON, of each block found and of what "
            "becomes of it. It is treated as a secret."
        ),
    ] = ""
    hook_file: Annotated[
        str, msgspec.Meta(description="A file that holds that URL, instead of `hook`.")
    ] = ""
    confirmations: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            description="How deep an accepted block must be until nobody looks after it any more; "
            "0: it is not followed at all.",
        ),
    ] = 100


class UpstreamSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One upstream: a pool, or a node to mine on alone."""

    url: Annotated[
        str,
        msgspec.Meta(
            description="Where work comes from: stratum+tcp://host:port for a pool, "
            "stratum+ssl://host:port for a pool over TLS (its certificate is verified), "
            "bitcoind+http://host:port for a node. IPv6 addresses stand in brackets."
        ),
    ]
    name: Annotated[
        str, msgspec.Meta(description="A name for logs and metrics; host:port if empty.")
    ] = ""
    user: Annotated[
        str,
        msgspec.Meta(
            description="The pool's worker or account, or the node's rpcuser; may stand in the URL."
        ),
    ] = ""
    password: Annotated[
        str,
        msgspec.Meta(
            description="Its password; pools that ask for none get an x. May stand in the URL."
        ),
    ] = ""
    password_file: Annotated[
        str, msgspec.Meta(description="A file that holds the password, instead of `password`.")
    ] = ""
    cookie: Annotated[
        str,
        msgspec.Meta(
            description="The node's .cookie file, used when there is no password. If empty, it is "
            "looked for where bitcoind puts it, by the chain that the port belongs to."
        ),
    ] = ""
    address: Annotated[
        str, msgspec.Meta(description="Who is paid for blocks found on a node: required there.")
    ] = ""
    payouts: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="Others who get a share of each block found on a node, each as "
            "address=basis points (150 is 1.5 percent); `address` gets the rest."
        ),
    ] = ()
    payout: Annotated[
        PayTo,
        msgspec.Meta(
            description="Who gets what `payouts` leave of a block found on a node. address: "
            "`address`. login: each rig is paid to the address that it gives as user name "
            "(ADDRESS, or ADDRESS.worker), and turned away if that is none of the node's network; "
            "`address` is paid for nothing. login-or-address: the same, but rigs whose user name "
            "is no address work for `address`. This is for the proxy, whose rigs log in; all "
            "upstreams of a route must agree on it, and so be nodes."
        ),
    ] = PayTo.ADDRESS
    tag: Annotated[
        str, msgspec.Meta(description="Text for the coinbase of blocks found on a node.")
    ] = "/headframe/"
    extranonce_size: Annotated[
        int,
        msgspec.Meta(
            ge=4,
            le=_EXTRANONCE_MAX,
            description="Bytes of the coinbase that miners may choose, on a node.",
        ),
    ] = 8
    pace_seconds: Annotated[
        Annotated[float, msgspec.Meta(ge=0)] | None,
        msgspec.Meta(
            description="Seconds between blocks to aim at on a node, by making them harder than "
            "the chain asks; 0 for no pace. If unset: 10 on regtest and on a signet that needs no "
            "signatures, none elsewhere."
        ),
    ] = None
    refresh_seconds: Annotated[
        float,
        msgspec.Meta(
            ge=1,
            description="How often a node is asked for new transactions; work on the job before "
            "is not thrown away.",
        ),
    ] = 30.0
    fee_gain_percent: Annotated[
        float,
        msgspec.Meta(
            ge=0,
            description="Ask the node sooner when the fees that wait have risen by so much of "
            "the block's value; 0 to leave that.",
        ),
    ] = 1.0
    empty_after_ms: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            description="When a node needs longer than this for a new tip's template, mine an "
            "empty block until it comes; 0 to wait for the template.",
        ),
    ] = 500
    zmq: Annotated[
        str,
        msgspec.Meta(
            description="Where the node publishes new blocks (its zmqpubhashblock), as in "
            "tcp://127.0.0.1:28332; off to not listen. If empty, the node is asked."
        ),
    ] = ""
    version_mask: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            le=_MASK_MAX,
            description="Version bits that miners may roll; the default is BIP 320's, "
            "0 is no version rolling.",
        ),
    ] = BIP320_MASK
    weight: Annotated[
        float,
        msgspec.Meta(
            ge=0,
            description="Share of the work, against that of the other upstreams, where "
            "`pools.strategy` is quota; 0: only when none of the others works.",
        ),
    ] = 1.0
    ca_file: Annotated[
        str,
        msgspec.Meta(
            description="A PEM file with the authorities to trust for stratum+ssl instead of the "
            "system's."
        ),
    ] = ""
    fingerprint: Annotated[
        str,
        msgspec.Meta(
            description="SHA-256 of the pool's certificate in hex, for stratum+ssl: trust that "
            "certificate and no other, whoever made it."
        ),
    ] = ""
    proxy: Annotated[
        str,
        msgspec.Meta(
            description="Connect to the pool through a proxy: socks5://host:port or "
            "http://host:port (CONNECT), with user:password@ if it wants them. The proxy "
            "resolves the pool's name."
        ),
    ] = ""
    expect_payout: Annotated[
        str,
        msgspec.Meta(
            description="An address that a pool's blocks must pay, as a solo pool's pay their "
            "finder. While a pool's jobs do not pay it, a warning says so, and a metric; they are "
            "worked on all the same."
        ),
    ] = ""
    reconnect: Annotated[
        Reconnect,
        msgspec.Meta(
            description="How far the pool may send us by client.reconnect. Never from TLS to a "
            "plain connection, whatever is set."
        ),
    ] = Reconnect.SAME_HOST
    suggest_difficulty: Annotated[
        Annotated[float, msgspec.Meta(gt=0)] | None,
        msgspec.Meta(description="Share difficulty to ask the pool for; many pools ignore it."),
    ] = None
    suggest_target: Annotated[
        str,
        msgspec.Meta(
            description="Share target to ask the pool for, 64 hex digits; for pools that know "
            "mining.suggest_target."
        ),
    ] = ""
    min_version_bits: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            le=29,
            description="Version bits to ask for at least, where bits are rolled; with fewer, "
            "mining goes on.",
        ),
    ] = 2
    extranonce_subscribe: Annotated[
        bool,
        msgspec.Meta(
            description="Tell the pool that it may change the extranonce within a session."
        ),
    ] = True
    ntime_roll_seconds: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            le=7200,
            description="How far a share's time may run ahead of its job's, on a pool.",
        ),
    ] = 7000
    silence_seconds: Annotated[
        float,
        msgspec.Meta(
            gt=0, description="A pool that has sent nothing at all for so long is given up."
        ),
    ] = 180.0
    job_seconds: Annotated[
        float,
        msgspec.Meta(gt=0, description="A pool that has sent no job for so long is given up."),
    ] = 300.0
    answer_seconds: Annotated[
        float,
        msgspec.Meta(
            gt=0, description="A pool that owes the answer to a share for so long is given up."
        ),
    ] = 60.0
    max_rejects: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            description="A pool that refused so many shares in a row over half a minute or more, "
            "and accepted none, is given up.",
        ),
    ] = 20
    allow_mainnet: Annotated[
        bool, msgspec.Meta(description="Mine on mainnet, which is refused otherwise.")
    ] = False
    hold_seconds: Annotated[
        float,
        msgspec.Meta(
            ge=0, description="How long the last job is worked on after the upstream is lost."
        ),
    ] = 60.0
