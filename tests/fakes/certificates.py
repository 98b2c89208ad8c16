"""Certificates for tests of servers with TLS, as files."""

from datetime import datetime
from pathlib import Path

import trustme

__all__ = ["write_certificate"]


def write_certificate(
    folder: Path, name: str = "one", *, until: datetime | None = None
) -> tuple[str, str]:
    """Make a certificate for this machine; return the files of it and of its key."""
    made = trustme.CA().issue_cert("127.0.0.1", not_after=until)
    chain, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
    chain.write_bytes(b"".join(pem.bytes() for pem in made.cert_chain_pems))
    made.private_key_pem.write_to_path(key)
    return str(chain), str(key)
