"""What `chain` raises.

ChainError
    AddressError     an address that cannot be paid, or not on this network
    CoinbaseError    a coinbase that no node would accept
    TemplateError    a block template that makes no sense
    WireError        bytes that end too early or are out of form
"""

__all__ = ["AddressError", "ChainError", "CoinbaseError", "TemplateError", "WireError"]


class ChainError(ValueError):
    """Anything that `chain` finds wrong with what it was given."""


class AddressError(ChainError):
    """An address is malformed, or belongs to another network."""


class CoinbaseError(ChainError):
    """A coinbase would break a consensus rule."""


class TemplateError(ChainError):
    """A block template contradicts itself or lacks what mining needs."""


class WireError(ChainError):
    """Serialised bytes end too early or are out of form."""
