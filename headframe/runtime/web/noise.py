"""What the HTTP library logs of strangers' noise: one line, and no traceback."""

import logging
from typing import Final

from headframe.runtime.http import HttpProcessingError
from headframe.runtime.logs import get_logger
from headframe.runtime.text import printable

__all__ = ["server_log"]

log = get_logger(__name__)

_LONGEST: Final = 100


def server_log() -> logging.Logger:
    """Return the logger that a server is to be given."""
    logger = logging.getLogger(__name__)
    if not logger.filters:
        logger.addFilter(_is_ours)
    return logger


def _is_ours(record: logging.LogRecord) -> bool:
    """Tell a request that is none in our words, and let all else pass: that is a mistake."""
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, HttpProcessingError):
        return True
    log.info("bad_request", status=error.code, error=printable(str(error.message))[:_LONGEST])
    return False
