"""Consent scopes: what a person may refuse, or allow again, each for itself."""

from typing import Final, Literal, get_args

ConsentScope = Literal["marketing", "unasked", "assistant"]
SCOPES: Final[tuple[ConsentScope, ...]] = get_args(ConsentScope)

# What a provider reports is a choice about marketing; a person may still be answered.
MARKETING: Final[ConsentScope] = "marketing"
# What a person writes themselves stops all that they did not ask for: templates and bulk, not answers.
UNASKED: Final[ConsentScope] = "unasked"
# Who refused the assistant is answered by people, until one of them gives the conversation back.
ASSISTANT: Final[ConsentScope] = "assistant"
