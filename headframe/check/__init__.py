"""`headframe check`: what is wrong with settings, before a program is started with them.

Here live the kinds of files there are, and the checks that go beyond types. What a setting
is, and what its bounds are, stands with the programs: nothing here repeats it.
"""
