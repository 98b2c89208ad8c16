"""`Template`: a getblocktemplate answer, read strictly; to a `Job`, and to a block.

What a node answers is checked here, once, where the fault can be named: a share of a job
made from a wrong template is found out only when the block is refused. Sources: BIP 22
and 23 (the call), BIP 9 (rules), BIP 141 (commitment, weight), BIP 325 (signet).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Self

from headframe.chain.coinbase import Output, build, with_witness, witness_commitment
from headframe.chain.errors import CoinbaseError, TemplateError
from headframe.chain.fields import Fields
from headframe.chain.header import HEADER_BYTES
from headframe.chain.job import Job, JobId, Lineage, SplitCoinbase
from headframe.chain.merkle import PathMaker, first_leaf_path
from headframe.chain.offer import TemplateTx, check_offer, read_offers
from headframe.chain.room import Room
from headframe.chain.share import MAX_FUTURE_SECONDS, ShareFields, header_of
from headframe.chain.target import DIFFICULTY_1, Target, nbits_from_target, target_from_nbits
from headframe.chain.wire import compact_size

__all__ = [
    "EASY_AFTER_SECONDS",
    "EASY_NBITS",
    "RETARGET_BLOCKS",
    "Template",
    "assemble_block",
    "assemble_head",
    "make_job",
    "parse_template",
    "repay",
    "room_of",
    "skim_template",
]

_KNOWN_RULES: Final = frozenset({"csv", "segwit", "taproot", "signet"})
_OP_TRUE: Final = b"\x51"  # the one signet challenge that needs no solution
EASY_NBITS: Final = nbits_from_target(DIFFICULTY_1)
"""What the testnets' easy blocks have."""
RETARGET_BLOCKS: Final = 2016
"""The first block of each such period may have other bits than the one before it."""
EASY_AFTER_SECONDS: Final = 1200
"""A testnets' block that is later than its parent by more than this must be easy."""
_SIGOP_LIMIT: Final = 80_000  # consensus, with segwit
_U32_MAX: Final = 2**32 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What a node offers to be mined, checked.

    Attributes:
        version: block version, unsigned 32 bits.
        version_required: version bits that must stay as they are.
        prev_hash: 32 bytes, header order.
        height: of the block to be made.
        value: satoshi that the coinbase may pay at most: subsidy and all fees.
        curtime: the node's time, in seconds since 1970.
        mintime: the least time that the block may have.
        maxtime: the largest that we use.
        nbits: compact target of the block.
        longpoll_id: opaque; empty if the node gave none.
        transactions: in block order, without the coinbase.
        rules: consensus rules in force, without their exclamation marks.
        signet_challenge: the script that a signet's blocks must satisfy.
        weight_limit: weight units of the whole block.
        sigop_limit: cost of all signature checks of the block.
        aux: bytes to put into the coinbase.
        path: merkle path of the coinbase.
        commitment: output script that commits to the witnesses, 38 bytes; `None` where
            segwit is not in force.
    """

    version: int
    version_required: int
    prev_hash: bytes
    height: int
    value: int
    curtime: int
    mintime: int
    maxtime: int
    nbits: int
    longpoll_id: str
    transactions: tuple[TemplateTx, ...] = field(repr=False)
    rules: tuple[str, ...]
    signet_challenge: bytes | None
    weight_limit: int
    sigop_limit: int
    aux: bytes
    path: tuple[bytes, ...] = field(repr=False)
    commitment: bytes | None = field(repr=False)

    @property
    def target(self) -> Target:
        """What the block's hash must not exceed."""
        return target_from_nbits(self.nbits)

    @property
    def fees(self) -> int:
        """Satoshi of all fees together."""
        return sum([tx.fee for tx in self.transactions])

    def bounded_by_parent(self, parent_time: int) -> Self:
        """Keep the block's time where its nbits stay right, on testnet3 and testnet4.

        There a block dated more than 20 minutes after its parent must have difficulty 1,
        and any other must not: so what nbits must be depends on the time that a miner
        chooses. The first block of a period of 2016 is exempt. (Source: the testnets'
        rule in Bitcoin Core; BIP 94.)

        Args:
            parent_time: of the block that this one follows, in seconds since 1970.
        """
        last_normal = parent_time + EASY_AFTER_SECONDS
        if self.height % RETARGET_BLOCKS == 0:
            return self
        if self.curtime <= last_normal:
            # Where difficulty 1 is the normal one it stays right whatever the time.
            latest = self.maxtime if self.nbits == EASY_NBITS else last_normal
            return replace(self, maxtime=min(self.maxtime, latest))
        return replace(self, mintime=max(self.mintime, last_normal + 1))


def parse_template(answer: Mapping[str, object]) -> Template:
    """Read the result of `getblocktemplate`, and check all of it.

    Raises:
        TemplateError: as `skim_template`, or a transaction is not what it is called.
    """
    template = skim_template(answer)
    for index, tx in enumerate(template.transactions):
        check_offer(index, tx)
    return template


def skim_template(answer: Mapping[str, object], path: PathMaker = first_leaf_path) -> Template:
    """Read the result of `getblocktemplate`, for a job that must go out soon.

    All is checked but that transactions are what they are called: `check_offer` does that.

    Args:
        answer: the decoded JSON object; its transactions may be of `TemplateTx` already,
            which is by far the quickest.
        path: how a merkle path is made.

    Raises:
        TemplateError: a field is missing, of the wrong type or out of range, or
            contradicts another; or a rule is in force that we do not know. Says which.
    """
    fields = Fields(answer)
    rules = _rules(fields)
    nbits = _nbits(fields)
    curtime = fields.integer("curtime", high=_U32_MAX)
    mintime = fields.integer("mintime", high=_U32_MAX)
    if curtime < mintime:
        raise TemplateError(f"template: curtime {curtime} is before mintime {mintime}")
    offers = read_offers(fields)
    return Template(
        version=fields.integer("version", low=-(2**31), high=_U32_MAX) & _U32_MAX,
        version_required=fields.integer("vbrequired", high=_U32_MAX, default=0),
        prev_hash=fields.hash("previousblockhash"),
        height=fields.integer("height", low=1, high=_U32_MAX),
        value=fields.integer("coinbasevalue"),
        curtime=curtime,
        mintime=mintime,
        maxtime=min(curtime + MAX_FUTURE_SECONDS, _U32_MAX),
        nbits=nbits,
        longpoll_id=fields.text("longpollid", default=""),
        transactions=offers.transactions,
        rules=rules,
        signet_challenge=fields.hex("signet_challenge") if "signet" in rules else None,
        weight_limit=fields.integer(
            "weightlimit", low=1, default=4 * fields.integer("sizelimit", low=1)
        ),
        sigop_limit=fields.integer("sigoplimit", low=1, default=_SIGOP_LIMIT),
        aux=_aux(fields),
        path=path(offers.txids),
        commitment=_commitment(fields, offers.wtxids, path) if "segwit" in rules else None,
    )


def _rules(fields: Fields) -> tuple[str, ...]:
    rules = []
    for rule in fields.texts("rules"):
        name = rule.removeprefix("!")
        if rule.startswith("!") and name not in _KNOWN_RULES:
            raise TemplateError(
                f"template: the node's chain has the rule {rule[:40]!r}, which this program does "
                "not know and may not ignore; its blocks would be invalid"
            )
        rules.append(name)
    return tuple(rules)


def _nbits(fields: Fields) -> int:
    nbits = int.from_bytes(fields.hex("bits", size=4), "big")
    try:
        expected = target_from_nbits(nbits)
    except ValueError as error:
        raise TemplateError(f"template: bits: {error}") from error
    target = int.from_bytes(fields.hex("target", size=32), "big")
    if target != expected:
        raise TemplateError(
            f"template: target {target:064x} is not what bits {nbits:08x} mean, {expected:064x}"
        )
    return nbits


def _aux(fields: Fields) -> bytes:
    aux = fields.mapping("coinbaseaux")
    return b"".join(aux.hex(name) for name in aux)


def _commitment(fields: Fields, wtxids: bytes, path: PathMaker) -> bytes:
    own = witness_commitment(wtxids, path)
    theirs = fields.hex("default_witness_commitment", default=own)
    if theirs != own:
        raise TemplateError(
            f"template: default_witness_commitment {theirs.hex()} does not fit the transactions, "
            f"it should be {own.hex()}"
        )
    return own


def make_job(  # noqa: PLR0913 - what a job is made of, each independent of the others
    template: Template,
    *,
    lineage: Lineage,
    outputs: Sequence[Output],
    extranonce_size: int,
    tag: bytes,
    version_mask: int,
    block_target: Target | None,
) -> Job:
    """Turn a template into a job whose every share is a block.

    Args:
        template: from `parse_template`, with its times bounded where the network asks
            for it.
        lineage: gives the id; the caller raises its epoch and generation beforehand.
        outputs: who is paid, at least one; the witness commitment is added here.
        extranonce_size: free bytes for the miners.
        tag: text for the coinbase, cut where it does not fit.
        version_mask: bits that may be rolled, as configured.
        block_target: a pace; the job uses the harder of it and of what nbits mean.

    Raises:
        TemplateError: the template's blocks need a signature (a signet).
        CoinbaseError: the outputs pay more than there is, or there is no room.
    """
    _ensure_minable(template)
    commitment = _commit(template, outputs, extranonce_size, tag, room_of(template))
    target = min(template.target, template.target if block_target is None else block_target)
    return Job(
        id=lineage.next_id(),
        source=lineage.source,
        version=template.version,
        version_mask=version_mask & ~template.version_required & ~template.version,
        prev_hash=template.prev_hash,
        nbits=template.nbits,
        ntime=template.curtime,
        ntime_min=template.mintime,
        ntime_max=template.maxtime,
        commitment=commitment,
        target=target,
        block_target=target,
        epoch=lineage.epoch,
        generation=lineage.generation,
    )


def repay(
    template: Template,
    job: Job,
    *,
    id: JobId,
    outputs: Sequence[Output],
    tag: bytes,
    room: Room,
) -> Job:
    """Make a job that differs from one of ours in who is paid, and in nothing else.

    Args:
        template: what the other was made from.
        job: as `make_job` made it, not narrowed.
        id: the new job's serial.
        outputs: as for `make_job`.
        tag: the same as the other's.
        room: the template's; it is the same for all of its jobs.

    Raises:
        CoinbaseError: as `make_job`.
    """
    return replace(
        job, id=id, commitment=_commit(template, outputs, job.extranonce_size, tag, room)
    )


def room_of(template: Template) -> Room:
    """Say what room a template's transactions leave for a coinbase."""
    count = len(compact_size(1 + len(template.transactions)))
    return Room(
        weight=4 * (HEADER_BYTES + count) + sum([tx.weight for tx in template.transactions]),
        weight_limit=template.weight_limit,
        sigops=sum([tx.sigops for tx in template.transactions]),
        sigop_limit=template.sigop_limit,
        has_witness=template.commitment is not None,
    )


def _commit(
    template: Template, outputs: Sequence[Output], extranonce_size: int, tag: bytes, room: Room
) -> SplitCoinbase:
    paid = sum(output.value for output in outputs)
    if paid > template.value:
        raise CoinbaseError(
            f"the outputs pay {paid} satoshi, the template for height {template.height} "
            f"has {template.value}"
        )
    if template.commitment is not None:
        outputs = (*outputs, Output(value=0, script=template.commitment))
    coinbase = build(
        height=template.height,
        outputs=outputs,
        extranonce_size=extranonce_size,
        tag=tag,
        aux=template.aux,
    )
    room.ensure(coinbase.size, outputs)
    return SplitCoinbase(
        prefix=coinbase.prefix,
        suffix=coinbase.suffix,
        path=template.path,
        extranonce_size=extranonce_size,
    )


def _ensure_minable(template: Template) -> None:
    challenge = template.signet_challenge
    if challenge not in (None, _OP_TRUE):
        raise TemplateError(
            "template: each block of this signet must be signed for its challenge "
            f"{challenge.hex()[:80]}, which only its owners can do: use regtest, testnet4, or a "
            "signet of your own with -signetchallenge=51"
        )


def assemble_block(template: Template, job: Job, share: ShareFields) -> bytes:
    """Put the block together that a share has found.

    Args:
        template: what the job was made from.
        job: as `make_job` made it, not narrowed.
        share: an answer to it.

    Returns:
        The full serialisation, as `submitblock` takes it; its hash is `sha256d` of the
        first 80 bytes.

    Raises:
        ValueError: the share's extranonce has the wrong size, or the job's root is fixed.
    """
    transactions = "".join([tx.data for tx in template.transactions])
    return assemble_head(template, job, share) + bytes.fromhex(transactions)


def assemble_head(template: Template, job: Job, share: ShareFields) -> bytes:
    """Put together what stands before the template's transactions in a block.

    Arguments and errors are those of `assemble_block`.
    """
    if not isinstance(job.commitment, SplitCoinbase):
        raise ValueError("a job with a fixed merkle root has no coinbase to make a block from")  # noqa: TRY004
    coinbase = job.commitment.coinbase(share.extranonce)
    if template.commitment is not None:
        coinbase = with_witness(coinbase)
    return header_of(job, share) + compact_size(1 + len(template.transactions)) + coinbase
