"""The library under Headframe's programs, and their one command line.

Here live `chain` (values and rules of blocks and of work on them), `stratum`
(protocol cores without I/O), `upstream` (where jobs come from), `runtime` (what a
process needs), `node` (the embedded regtest node), and the command line. What only
the miner or only the proxy needs does not belong here: those stand at the top level.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
