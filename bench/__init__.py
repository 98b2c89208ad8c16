"""Speed, each figure beside what it is compared with in the same run; `make bench`.

Nothing here is a test: what depends on the machine's mood does not belong there.
"""
