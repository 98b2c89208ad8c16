"""`python -m proxy`."""

from proxy.commands import proxy

if __name__ == "__main__":
    proxy(prog_name="python -m proxy")
