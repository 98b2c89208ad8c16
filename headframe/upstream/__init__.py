"""Where jobs come from and where shares go: asyncio adapters behind `JobSource`.

Here live the sources (Stratum pools, bitcoind by getblocktemplate, failover among
them), the node's RPC and the journal of found blocks. No rigs, no devices, no
configuration files: programs compose sources and own the tasks.
"""
