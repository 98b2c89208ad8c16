"""What is true of blocks and of work on them, whoever speaks to whom.

Pure values and rules on the standard library alone. No I/O, no clock, no wire format
of any mining protocol, and no import of any other package of ours.
"""
