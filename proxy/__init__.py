"""The proxy: many rigs in, one upstream out.

Here live sessions, the hub between them and the upstream, and the accounting. No
protocol code and no job sources: those are in `headframe`.
"""
