"""Which faults a story has, how often they strike, and how long things take.

Each story draws its own few kinds of faults ("swarm"): all of them at once would hide each other.
"""

from collections.abc import Mapping, Sequence
from random import Random

# The highest rate of each kind; a story's own is drawn below it. Rates are per occasion.
WORST: Mapping[str, float] = {
    # somebody pulls the plug, presses Ctrl-Z, sends SIGTERM: each second
    "kill": 0.15,
    "freeze": 0.15,
    "stop": 0.15,
    "kill_door": 0.10,
    "freeze_door": 0.10,
    # at every edge of a transaction
    "kill_at_edge": 0.02,
    "freeze_at_edge": 0.02,
    "lost_before_commit": 0.04,
    "lost_after_commit": 0.04,
    # at every call of the store
    "store_away": 0.03,
    "slow_store": 0.05,
    # at every named instant of a delivery, and at every byte to the provider
    "kill_at_point": 0.04,
    "freeze_at_point": 0.15,
    "kill_at_byte": 0.10,
    "freeze_at_byte": 0.10,
    # on the way to the provider
    "refused_connection": 0.30,
    "closed_while_idle": 0.20,
    "slow_way": 0.20,
    "reset_before_read": 0.15,
    # at the provider
    "taken_then_reset": 0.20,
    "taken_then_garbage": 0.15,
    "taken_then_error": 0.10,
    "taken_then_silent": 0.15,
    "slow_answer": 0.15,
    "throttled": 0.30,
    "failing": 0.40,
    "mute_error": 0.10,
    "refused": 0.15,
    "opted_out": 0.05,
    "token_revoked": 0.05,
    "late_list": 0.60,
    # what it reports
    "withheld_statuses": 0.50,
    "early_status": 0.50,
    "repeated_webhook": 0.40,
    "slow_webhook": 0.50,
    "untracked_status": 0.50,
    "failed_later": 0.20,
    "forged_webhook": 0.20,
    # at our own door
    "lost_request": 0.10,
    "lost_answer": 0.15,
    # between our processes
    "lost_wake": 0.70,
    "slow_renewal": 0.60,
    # people: messages that kill whoever reads them, and tenants who name what is not theirs
    "poison": 0.50,
    "stranger": 0.50,
    # operators who do one thing after the other
    "hasty_operator": 0.80,
}
SHARE_OF_KINDS = 0.3


class Faults:
    def __init__(self, chance: Random, forced: Sequence[str] = ()) -> None:
        """The ``forced`` kinds are among those of this story, at their worst."""
        self._chance = chance
        self.on = True
        self.struck: set[str] = set()
        self._rates = {
            kind: worst * chance.random() for kind, worst in WORST.items() if chance.random() < SHARE_OF_KINDS
        } | {kind: WORST[kind] for kind in forced}

    def strikes(self, kind: str) -> bool:
        rate = self._rates.get(kind)
        if rate is None or not self.on or self._chance.random() >= rate:
            return False
        self.struck.add(kind)
        return True

    def way(self) -> float:
        """Seconds from one machine to another."""
        return self._chance.uniform(1.0, 9.0) if self.strikes("slow_way") else self._chance.uniform(0.002, 0.05)

    def latency(self) -> float:
        """Seconds until the store has time for a call."""
        return self._chance.uniform(0.2, 4.0) if self.strikes("slow_store") else self._chance.uniform(0.0002, 0.003)

    def pause(self) -> float:
        """Seconds for which something is frozen: now and then longer than any lease."""
        return self._chance.choice((0.5, 3.0, 14.0, 17.0, 40.0))

    def renewal(self) -> float:
        """Seconds by which a lease is renewed too late."""
        return self._chance.uniform(0.1, 6.0) if self.strikes("slow_renewal") else self.latency()

    def describe(self) -> str:
        return ", ".join(f"{kind} {rate:.3f}" for kind, rate in self._rates.items())
