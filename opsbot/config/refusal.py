"""How a validator of the configuration says no: a reason, and what is allowed instead."""

from pydantic_core import PydanticCustomError

REFUSED = "refused"
"""The pydantic error type of every refusal made here."""


def refusal(reason: str, allowed: str = "") -> PydanticCustomError:
    """Make the error that a validator raises; neither text may quote the value, which may be a secret."""
    return PydanticCustomError(REFUSED, "{reason}", {"reason": reason, "allowed": allowed})


def did_you_mean(nearest: list[str]) -> str:
    """Give the end of a reason that names the nearest known word, or nothing.

    >>> did_you_mean(["token"])
    ', did you mean token?'
    """
    return f", did you mean {nearest[0]}?" if nearest else ""


def words_of(error: PydanticCustomError) -> tuple[str, str]:
    """Give the reason of a refusal and what is allowed."""
    context = error.context or {}
    return str(context.get("reason", error)), str(context.get("allowed", ""))
