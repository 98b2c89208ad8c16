"""`headframe up`: node, proxy and miner on this machine, in one command.

Here live the folder, the key, and the order of things. The processes are the programs
themselves, unchanged: nothing that a program could do belongs here.
"""
