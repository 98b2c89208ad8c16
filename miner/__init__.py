"""The miner: jobs from a source, hashes on devices, shares back.

Here live the engine, the split of a job among devices and the devices themselves. No
protocol code, no pool logic: those are in `headframe`.
"""
