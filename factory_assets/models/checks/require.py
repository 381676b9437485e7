"""How a check says no."""

from collections.abc import Callable
from typing import Any

from factory_assets.vocabulary.errors import FactoryError, InvariantViolationError


def require(condition: bool, message: str) -> None:
    """Raise unless the condition holds.

    Raises
    ------
    InvariantViolationError
        With the message, if it does not.
    """
    if not condition:
        raise InvariantViolationError(message)


def require_refusal(action: Callable[[], Any], error: type[FactoryError], word: str, what: str) -> None:
    """Raise unless the action is refused with the given error and a message that names the cause.

    Raises
    ------
    InvariantViolationError
        If it is not refused, or the message lacks the word.
    """
    try:
        action()
    except error as refusal:
        require(word in str(refusal), f"{what}: refused without naming {word!r}: {refusal}")
        return
    raise InvariantViolationError(f"{what}: expected {error.__name__}, nothing was refused")
