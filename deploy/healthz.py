#!/usr/bin/python3 -I
"""Ask a program of ours in this container whether it does its work: `healthz PORT`.

For health checks; the image has no curl. Exit 0 when `/healthz` says 200; else 1, with the reason
on stdout, where `docker inspect` shows it. The standard library alone, to be light.
"""

import http.client
import sys
from collections.abc import Sequence

TIMEOUT_SECONDS = 4.0


def ask(port: int) -> tuple[int, str]:
    """Ask once; return the exit status, and a line that says why."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        text = answer.read(200).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return 1, f"no answer at port {port}: {error}"
    finally:
        connection.close()
    return int(answer.status != 200), f"{answer.status} {text}"


def main(args: Sequence[str]) -> int:
    """Return the exit status; 2 for wrong arguments."""
    if len(args) != 1 or not args[0].isdigit():
        status, line = 2, "usage: healthz PORT"
    else:
        status, line = ask(int(args[0]))
    sys.stdout.write(f"{line}\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
