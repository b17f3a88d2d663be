"""Settings that end: channels on a version of their provider's interface that its provider will soon answer no more."""

from collections.abc import Iterable
from typing import Final

from hailgate.core.alarms import Alarm, Cause
from hailgate.messaging.channels.credentials import warn_of_settings
from hailgate.messaging.store.sql import Cursor, as_uuid, every_tenant, fetch

# Ends are dates; a channel that is set to another version meanwhile has its alarm no longer than this.
EVERY_S: Final = 300.0


class EndingSettingsCheck:
    """Unseals the settings of all channels, and so looks once in a while."""

    def __init__(self) -> None:
        self._causes: list[Cause] = []
        self._due = 0.0

    def look(self, cursor: Cursor, moment: float) -> Iterable[Cause]:
        """In between, what the last look found."""
        if moment >= self._due:
            self._due = moment + EVERY_S
            self._causes = [*_ending(cursor, moment)]
        return self._causes


def _ending(cursor: Cursor, moment: float) -> Iterable[Cause]:
    found = fetch(
        cursor,
        f"SELECT tenant_id, uid, provider, config, source FROM messaging_channel WHERE active {every_tenant('alarms')}",
    )
    for tenant_id, uid, provider, config, source in found:
        if warn_of_settings(provider, config, source, moment):
            yield Cause(Alarm.SETTINGS_ENDING, f"channel:{as_uuid(uid)}", tenant_id)
