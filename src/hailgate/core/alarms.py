"""What an operator must know without looking: the alarms there are, and when figures are bad enough for one."""

from collections import deque
from collections.abc import Hashable, Mapping
from enum import StrEnum
from typing import Final, Generic, NamedTuple, Self, TypeVar

Subject = TypeVar("Subject", bound=Hashable)


class Alarm(StrEnum):
    """By code, with what happened and what to do. Neither names anybody: they are sent to mail boxes and chat rooms."""

    sentence: str
    advice: str

    def __new__(cls, code: str, sentence: str, advice: str) -> Self:
        alarm = str.__new__(cls, code)
        alarm._value_, alarm.sentence, alarm.advice = code, sentence, advice
        return alarm

    CHANNEL_PAUSED = (
        "channel_paused",
        "A channel sends nothing any more: its provider refuses its credentials or settings.",
        "The channel's page says which. Correct them with `hailgate channel set`, then resume the channel.",
    )
    CHANNEL_RESTRICTED = (
        "channel_restricted",
        "A channel sends nothing any more: its provider has shut out the account or number behind it.",
        "The channel's page says why. Settle it with the provider, then resume the channel.",
    )
    SESSION_UNPAIRED = (
        "session_unpaired",
        "A channel has lost its phone: it neither sends nor receives.",
        "Pair it again with `hailgate channel pair`, or confirm the number that is paired now.",
    )
    PROVIDER_DOWN = (
        "provider_down",
        "The provider of a channel has been failing for several minutes.",
        "Look at its status page. Messages wait and are sent when it answers again.",
    )
    CHANNEL_RESTS = (
        "channel_rests",
        "The provider has told a channel to send nothing for a long time.",
        "Its messages say why they wait; people may have reported some of them. It goes on by itself.",
    )
    CHANNEL_SILENT = (
        "channel_silent",
        "A channel has received nothing for far longer than it usually does at these hours.",
        "Write to it from a phone. If it does not come in, `hailgate check` and the channel's page say why.",
    )
    SETTINGS_ENDING = (
        "settings_ending",
        "A channel uses a version of its provider's interface that ends within 90 days, or has ended.",
        "The channel's page and `hailgate check` name a newer one: set it with `hailgate channel set`.",
    )
    DEAD_LETTERS = (
        "dead_letters",
        "Many messages were given up within a quarter of an hour.",
        "`hailgate deadletters causes` says why and what to do.",
    )
    UNKNOWN_OUTCOMES = (
        "unknown_outcomes",
        "Messages may or may not have been sent, and only a person can tell.",
        "Look at each of them under stopped messages, and send it again or leave it.",
    )
    WEBHOOKS_REJECTED = (
        "webhooks_rejected",
        "Calls to a hook do not bear a valid signature.",
        "Compare the hook's app secret with the provider's; or somebody tries the door.",
    )
    WEBHOOK_BURIED = (
        "webhook_buried",
        "A webhook could not be understood and was set aside: what it told has had no effect.",
        "Look at it under events, and report it.",
    )
    CONSUMING_PAUSED = (
        "consuming_paused",
        "More messages wait to be sent than HAILGATE_QUEUE_LIMIT allows: the broker's queue is not read.",
        "Look at what holds them up. Reading goes on by itself at four fifths of the limit.",
    )
    UNROUTED = (
        "unrouted",
        "No queue takes the events that are published to the broker: they wait.",
        "Bind a queue to the exchange, or set HAILGATE_RABBITMQ_UNROUTED=drop.",
    )
    TENANT_SERVICE_DOWN = (
        "tenant_service_down",
        "The tenant service does not answer: messages of tenants that are not known yet wait.",
        "Look at the service. They go on by themselves when it answers.",
    )
    ACCOUNT_TROUBLE = (
        "account_trouble",
        "A provider restricts, disables or has lost one of your accounts.",
        "Open the account in the provider's own console. The webhook under events says what happened.",
    )
    NUMBER_QUALITY = (
        "number_quality",
        "A provider rates a number of yours lower than before: people blocked or reported its messages.",
        "Send less that nobody asked for. The provider's own console says which messages.",
    )
    ASSISTANT_FAILING = (
        "assistant_failing",
        "An assistant cannot answer: people are apologised to and left to your team.",
        "`hailgate assistant check NAME` asks each of its models. A wrong key: `hailgate assistant set NAME`.",
    )
    ASSISTANT_BUDGET = (
        "assistant_budget",
        "An assistant has spent four fifths of what it may spend today.",
        "Raise `messages_per_day` or `tokens_per_day`, or be ready: beyond them people answer.",
    )
    BUDGET_NEARLY_SPENT = (
        "budget_nearly_spent",
        "Assistants have spent four fifths of a budget.",
        "`hailgate budget list` says which. Raise it, or be ready: beyond it people answer.",
    )
    DISK_LOW = (
        "disk_low",
        "The disk is nearly full. Once it is, nothing can be accepted any more.",
        "Make room, or move HAILGATE_HOME or the database to a larger disk.",
    )
    STORE_AWAY = (
        "store_away",
        "The database does not answer: nothing is accepted and nothing is sent.",
        "Look at the database. Hailgate goes on by itself when it answers.",
    )


# Those that stand as long as a look round finds their cause, and end with it; the others end by hand, or by age.
WATCHED: Final = frozenset(Alarm) - {
    Alarm.WEBHOOK_BURIED,
    Alarm.STORE_AWAY,
    Alarm.ACCOUNT_TROUBLE,
    Alarm.NUMBER_QUALITY,
    Alarm.CONSUMING_PAUSED,
    Alarm.UNROUTED,
    Alarm.TENANT_SERVICE_DOWN,
}


class Cause(NamedTuple):
    """Why an alarm stands. ``subject`` is a kind and an id, such as ``channel:<id>``; empty for the installation."""

    alarm: Alarm
    subject: str = ""
    tenant_id: int | None = None


# A breaker opens at 5 failures; each failed probe, one a minute, is one more: the provider is down for five minutes.
DOWN_FAILURES: Final = 10
# No pace of its own makes a channel wait that long.
LONG_REST_S: Final = 600.0
DEAD_GROWTH: Final = 20
DEAD_WINDOW_S: Final = 900.0
REJECTED_CALLS: Final = 20
REJECTED_WINDOW_S: Final = 300.0
STORE_AWAY_S: Final = 30.0

_MB: Final = 1024 * 1024
LEAST_FREE: Final = 500 * _MB
LOW_SHARE: Final = 0.05
# A twentieth of a very large disk is room enough.
ENOUGH_FREE: Final = 5_000 * _MB


def is_disk_low(total: int, free: int) -> bool:
    return free < LEAST_FREE or free < min(total * LOW_SHARE, ENOUGH_FREE)


class Growth(Generic[Subject]):
    """Which counts have grown by ``least`` within the last ``window`` seconds, whatever was taken away before."""

    def __init__(self, least: int, window: float) -> None:
        self._least, self._window = least, window
        self._seen: deque[tuple[float, Mapping[Subject, int]]] = deque()

    def note(self, counts: Mapping[Subject, int], now: float) -> set[Subject]:
        while self._seen and self._seen[0][0] < now - self._window:
            self._seen.popleft()
        self._seen.append((now, counts))
        return {
            subject
            for subject, count in counts.items()
            if count - min(earlier.get(subject, 0) for _, earlier in self._seen) >= self._least
        }
