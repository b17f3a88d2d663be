"""Answers that are not the provider's own: a proxy or another server stands at the channel's address."""

from hailgate.core.errors import AddressRefuses, ChannelRefused, OutcomeUnknown, ProviderThrottled, Scope, SendError

# A proxy that gave up waiting may have passed the call on.
REQUEST_TIMEOUT = 408


def refuse_stranger(provider: str, status: int, retry_after: float | None) -> SendError:
    """It did not take the message, unless it passed the call on and only the answer was lost."""
    if status == 429:
        return ProviderThrottled(f"{provider} asks for a slower pace.", scope=Scope.CHANNEL, retry_after=retry_after)
    if status in {401, 403}:
        return ChannelRefused(f"The channel's api_url answered {status} without an error of {provider}'s.")
    if 300 <= status < 500 and status != REQUEST_TIMEOUT:
        return AddressRefuses(
            f"The channel's api_url answered {status}, not as {provider} does: see whether it is right."
        )
    return OutcomeUnknown(f"{provider} answered {status} without an error code.")
