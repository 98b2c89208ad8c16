"""What any process of ours needs: settings, logs, metrics, sockets, retries, web.

Knows nothing of Bitcoin, jobs or shares; `upstream` and the programs bring those.
"""
