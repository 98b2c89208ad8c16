"""The API of cgminer, so that the tools which watch cgminer's miners can watch this one.

A request is one message over TCP (`request`); a table of commands (`commands`) makes the
answer of the miner's figures (`figures`), `reply` writes it as cgminer does, and `server`
sends it and closes. Who may ask is `access`. The format is that of API version 3.7:
`API-README` and `api.c` of ckolivas/cgminer.
"""
