"""Text of strangers, made safe to be shown."""

__all__ = ["printable"]


def printable(text: str) -> str:
    """Make the control characters of a text visible."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )
