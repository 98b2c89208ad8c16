"""`TemplateJobs`: the jobs made of a node's templates, and what each was made of.

A template is one job that pays the configured address, and for whoever else is to be paid
another that differs in that alone: it is made when somebody asks for it, of the template of
the job that it stands beside, so that all are of one kind and none is older than another.
"""

from dataclasses import dataclass

from headframe.chain.address import script_from_address
from headframe.chain.job import Job, JobId, Lineage
from headframe.chain.network import Network
from headframe.chain.room import Room
from headframe.chain.target import Target
from headframe.chain.template import Template, make_job, repay, room_of
from headframe.upstream.base import REMEMBERED_TIPS
from headframe.upstream.gbt_options import GbtOptions
from headframe.upstream.payees import Payee, Payees

__all__ = ["TemplateJobs"]


@dataclass(slots=True, eq=False)
class _Sheet:
    """A template in use, and what its jobs share."""

    template: Template
    payees: Payees
    network: Network
    _room: Room | None = None

    @property
    def room(self) -> Room:
        """What it leaves for a coinbase; thousands of transactions are not added up twice."""
        if self._room is None:
            self._room = room_of(self.template)
        return self._room


class TemplateJobs:
    """Makes jobs of templates.

    Args:
        options: what to mine.
        lineage: gives their serials; its epoch and generation are the caller's to raise.
    """

    def __init__(self, options: GbtOptions, lineage: Lineage) -> None:
        self._options = options
        self._lineage = lineage
        self._made: dict[JobId, tuple[_Sheet, Job]] = {}
        self._tips: tuple[bytes, ...] = ()  # prev_hash of the last ones, newest first

    @property
    def has_tip(self) -> bool:
        """A template was taken since the start, or since `clear`."""
        return bool(self._tips)

    def is_newest(self, prev_hash: bytes) -> bool:
        """Say whether the last template built on this block."""
        return prev_hash in self._tips[:1]

    def follow(self, prev_hash: bytes) -> None:
        """Take note of a new tip: jobs of the oldest one remembered are forgotten."""
        self._tips = (prev_hash, *self._tips)[: 2 * REMEMBERED_TIPS]
        made = self._made.items()
        self._made = {id: each for id, each in made if each[1].prev_hash in self._tips}

    def clear(self) -> None:
        """Forget all jobs."""
        self._tips = ()
        self._made.clear()

    def make(self, template: Template, payees: Payees, block_target: Target | None) -> Job:
        """Make the job that pays the configured address; it is found once it is kept.

        Raises:
            ChainError: no job can be made of that template.
        """
        return make_job(
            template,
            lineage=self._lineage,
            outputs=payees.outputs(template.value),
            extranonce_size=self._options.extranonce_size,
            tag=self._options.tag.encode(),
            version_mask=self._options.version_mask,
            block_target=block_target,
        )

    def keep(self, job: Job, template: Template, payees: Payees, network: Network) -> None:
        """Remember a job that rigs are given."""
        self._made[job.id] = (_Sheet(template, payees, network), job)

    def settle(self, template: Template, checked: Template) -> None:
        """Keep what jobs were made of in the form that `Templates.check` gave it."""
        for sheet, _ in self._made.values():
            if sheet.template is template:
                sheet.template = checked

    def paying(self, job: Job, payee: Payee) -> Job | None:
        """Make a job of the same template that pays somebody else; see `Payer.paying`."""
        made = self._made.get(job.id)
        if made is None:
            return None
        sheet = made[0]
        if sheet.network not in payee.networks:
            script_from_address(payee.address, sheet.network)  # says what is wrong
        if payee.script == sheet.payees.main:
            return job
        fresh = repay(
            sheet.template,
            job,
            id=self._lineage.next_id(),
            outputs=sheet.payees.paying(payee).outputs(sheet.template.value),
            tag=self._options.tag.encode(),
            room=sheet.room,
        )
        self._made[fresh.id] = (sheet, fresh)
        return fresh

    def find(self, job_id: JobId) -> tuple[Template, Job] | None:
        """Look a job up, and the template that it was made of."""
        made = self._made.get(job_id)
        return None if made is None else (made[0].template, made[1])
