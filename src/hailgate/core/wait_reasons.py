"""What a message may wait for before it is sent, in the words that people and programs are told."""

from enum import StrEnum


class Wait(StrEnum):
    SCHEDULED = "scheduled"
    ANOTHER = "behind_another"
    HELD = "conversation_held"
    RETRY = "retry_wait"
    BUDGET = "retry_budget"
    PAIR = "pair_rate"
    PAUSED = "channel_paused"
    OFF = "channel_off"
    BREAKER = "breaker_open"
    REST = "channel_rests"
    RATE = "channel_rate"
    TENANT = "tenant_rate"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    Wait.SCHEDULED: "Its time to be sent has not come.",
    Wait.ANOTHER: "Messages of one conversation go out one after the other, and an earlier one is not done.",
    Wait.HELD: "Nobody knows yet whether an earlier message of this conversation was sent.",
    Wait.RETRY: "It was not taken, and is tried again.",
    Wait.BUDGET: "Retries are held to a fifth of what the channel sends for the first time.",
    Wait.PAIR: "This recipient has had as many messages as the provider allows in a while.",
    Wait.PAUSED: "The channel is paused until somebody resumes it.",
    Wait.OFF: "The channel is switched off.",
    Wait.BREAKER: "The provider is down; after a while one message looks whether it is back.",
    Wait.REST: "The provider asked the whole channel for a pause.",
    Wait.RATE: "The channel sends at its rate, and others are before this one.",
    Wait.TENANT: "All channels of this tenant together send at the rate that was set for it.",
}
