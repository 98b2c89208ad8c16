"""An embedded regtest node: Bitcoin Core's consensus behind bitcoind's JSON-RPC.

Consensus is libbitcoinkernel's, touched in `kernel` alone. What that library does not
have is here: a small mempool and an index of unspent coins, the block template, and the
RPC server. It runs in a process of its own, on regtest only, and has no peers.

What must not live here: anything of Stratum, of job sources, or of the other programs.
"""
