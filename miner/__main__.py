"""`python -m miner`: the same as `headframe mine`."""

from miner.commands import mine

mine(prog_name="python -m miner")
