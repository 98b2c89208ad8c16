"""aiohttp, as all of us use it: imported here alone, without what it would load in vain.

At its import aiohttp reads the system's authorities twice, for its clients' calls over
https: a tenth of a second and 2 MB in each process, and most of ours never make such a call.
Its lists bring the runtime of C++, another 1 MB. aiohttp has no switch for either, but
OpenSSL and frozenlist have: variables of the environment, which are set for the time of the
import and no longer.

So a session trusts nobody by itself: over https, a call without a context of its own fails
as if the server's certificate were bad. `trust` makes one that verifies as ever.
"""

import asyncio
import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from headframe.runtime.tls import client_context

__all__ = ["HttpProcessingError", "aiohttp", "trust", "web"]

_FOR_THE_IMPORT: Final = {
    "SSL_CERT_FILE": os.devnull,
    "SSL_CERT_DIR": os.devnull,
    "FROZENLIST_NO_EXTENSIONS": "1",
}


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process for the time of the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


with _environment(_FOR_THE_IMPORT):
    import aiohttp
    from aiohttp import web
    from aiohttp.http_exceptions import HttpProcessingError


async def trust() -> ssl.SSLContext:
    """Make the `ssl` of a call over https: the system's authorities, and the server's name.

    They are read in a thread, for they are many.
    """
    return await asyncio.to_thread(client_context)
