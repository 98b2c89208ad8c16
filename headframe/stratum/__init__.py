"""Stratum as pure protocol code: bytes to events, commands to bytes.

Here live the cores of both sides of each version of the protocol, and the events and
faces they share. No sockets, tasks, clocks, logs or randomness, no policy (who may
mine, at which difficulty, where shares go): adapters and programs decide that.
"""
