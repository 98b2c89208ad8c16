"""What any process of ours needs: settings, logs, metrics, sockets, retries, web.

Knows nothing of Bitcoin, jobs or shares; `upstream` and the programs bring those.
"""

import sys


def _import_structlog_alone() -> None:
    """Import structlog without rich, which takes 3 MB of each process that has no screen.

    structlog uses rich for tracebacks in colour where it can be imported; ours are plain.
    Whoever needs rich later imports it as ever.
    """
    if "structlog" in sys.modules or "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment] # the documented way to have it missing
    try:
        import structlog  # noqa: F401
    finally:
        del sys.modules["rich"]


_import_structlog_alone()
