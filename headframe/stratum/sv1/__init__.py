"""Stratum V1: cores of both sides, and the tables they read.

Here live the lines, the messages, the leniency (`dialect`), the codes and the
extensions of the JSON protocol. No I/O, and no policy: who may mine, at which
difficulty and what a share is worth is decided by whoever drives a core.
"""
