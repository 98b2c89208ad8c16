"""`python -m headframe.node`."""

from headframe.node.commands import node

if __name__ == "__main__":
    node(prog_name="python -m headframe.node")
