"""`headframe`: one command line for all programs, each loaded only when it is asked for.

A program's options live in its own `commands.py`; here is the table of commands, and
nothing else. To add one: write the click command there, and a row here.
"""

from importlib import import_module
from typing import Final

import click

from headframe import __version__
from headframe.runtime.errors import EXIT_INTERRUPTED

__all__ = ["COMMANDS", "main"]

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "up": ("headframe.up.commands:up", "Node, proxy and miner on this machine, on regtest."),
    "mine": ("miner.commands:mine", "Mine for a pool, or directly on a node."),
    "proxy": ("proxy.commands:proxy", "Serve a fleet of rigs from one pool or node."),
    "node": ("headframe.node.commands:node", "Run the embedded regtest node."),
    "check": (
        "headframe.check.commands:check",
        "Find what is wrong with settings files, before a program is started with them.",
    ),
    "export": (
        "proxy.history_commands:export",
        "Write the proxy's history as CSV or JSON, also while it runs.",
    ),
    "audit": (
        "proxy.audit_commands:audit",
        "Recompute share logs: every hash, every verdict, every sum.",
    ),
    "bench": ("miner.tools:bench", "Measure the speed of every kernel."),
    "devices": ("miner.tools:devices", "Show what this machine hashes with."),
    "selftest": ("miner.tools:selftest", "Check that every kernel computes right hashes here."),
}
"""Command: where its click command is, and what `headframe --help` says of it. The line
stands here so that help needs no program's imports; a test compares it with theirs."""


class _LazyGroup(click.Group):
    """A click group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        row = COMMANDS.get(cmd_name)
        if row is None:
            return None
        module, _, name = row[0].partition(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)  # noqa: S101 # our own table
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; Ctrl-C while it is still being loaded is no failure of ours."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # click's own way would be "Aborted!" and the status 1
            ctx.exit(EXIT_INTERRUPTED)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="First time here? `headframe up` mines blocks on a regtest node of its own. "
    "`headframe COMMAND --help` teaches each command. Exit codes: 0 done, 1 failed, 2 a setting or "
    "argument cannot be used, 69 an upstream cannot (with --once), 130 interrupted.",
)
@click.version_option(__version__, prog_name="headframe")
def main() -> None:
    """Mine, and serve rigs, over Stratum: on regtest, testnet4 and signet first."""
