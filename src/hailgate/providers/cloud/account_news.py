"""What Meta tells of an account or a number: trouble that its owner must hear of, and the rest, which is noted."""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Raw, Struct
from msgspec.json import Decoder

from hailgate.core.alarms import Alarm
from hailgate.core.events import AccountTrouble, Ignored, ProviderEvent
from hailgate.providers.reading import read

_UPDATES: Final = {
    "DISABLED_UPDATE": "The account is disabled, or will be",
    "ACCOUNT_RESTRICTION": "The account is restricted",
    "ACCOUNT_VIOLATION": "The account violated a policy",
    "ACCOUNT_DELETED": "The account was deleted",
    "PARTNER_REMOVED": "The account no longer shares itself with this app",
    "PARTNER_APP_UNINSTALLED": "The app was removed from the account",
    "ACCOUNT_OFFBOARDED": "The account was taken off the platform",
    "MM_LITE_TERMS_REVOKED": "Terms of the account were revoked",
}
_REINSTATED: Final = "REINSTATE"
_QUALITY: Final = {
    "FLAGGED": "The quality of the number is low",
    "DOWNGRADE": "The number may begin fewer conversations",
}
_QUIET: Final = frozenset({"INFORMATIONAL", "NONE", "OPPORTUNITY"})
_NOTED: Final = "Noted of the account."


class _Ban(Struct):
    waba_ban_state: str = ""


class _Update(Struct):
    event: str = ""
    ban_info: _Ban | None = None


class _Alert(Struct):
    alert_type: str = ""
    alert_severity: str = ""
    alert_status: str = ""


class _Alerts(Struct):
    alert_info: _Alert | None = None
    alert_type: str = ""
    alert_severity: str = ""
    alert_status: str = ""


class _Decision(Struct):
    decision: str = ""


_update, _alerts, _decision = Decoder(_Update), Decoder(_Alerts), Decoder(_Decision)


def parse_account(field: str, value: Raw, business: str, at: float) -> ProviderEvent:
    kind, trouble = _READ[field](value)
    if trouble is None:
        return Ignored(None, field, kind[:64] or field, _NOTED)
    alarm, words = trouble
    return AccountTrouble(business, alarm, kind[:64], words, at)


_Read = tuple[str, tuple[Alarm, str] | None]


def _read_update(value: Raw) -> _Read:
    update = read(_update, value) or _Update()
    words = _UPDATES.get(update.event)
    reinstated = update.ban_info is not None and update.ban_info.waba_ban_state == _REINSTATED
    return update.event, (Alarm.ACCOUNT_TROUBLE, words) if words and not reinstated else None


def _read_quality(value: Raw) -> _Read:
    update = read(_update, value) or _Update()
    words = _QUALITY.get(update.event)
    return update.event, (Alarm.NUMBER_QUALITY, words) if words else None


def _read_alerts(value: Raw) -> _Read:
    alerts = read(_alerts, value) or _Alerts()
    alert = alerts.alert_info or _Alert(alerts.alert_type, alerts.alert_severity, alerts.alert_status)
    loud = alert.alert_severity.upper() not in _QUIET and alert.alert_status.upper() not in {"RESOLVED", "NONE"}
    return alert.alert_type, (Alarm.ACCOUNT_TROUBLE, "The provider gives an alert for the account") if loud else None


def _read_review(value: Raw) -> _Read:
    review = read(_decision, value) or _Decision()
    rejected = review.decision.upper() == "REJECTED"
    return review.decision, (Alarm.ACCOUNT_TROUBLE, "The account did not pass its review") if rejected else None


_READ: Final[Mapping[str, Callable[[Raw], _Read]]] = {
    "account_update": _read_update,
    "phone_number_quality_update": _read_quality,
    "account_alerts": _read_alerts,
    "account_review_update": _read_review,
}
ACCOUNT_FIELDS: Final = frozenset(_READ)
