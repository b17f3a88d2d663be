"""The audit log as its page shows it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from hailgate.accounts.audit import AuditAction, find_entries
from hailgate.accounts.models import AuditEntry, Membership
from hailgate.console.paging import ListPage, page_of
from hailgate.messaging.models import Channel


class AuditLine(NamedTuple):
    at: datetime
    who: str
    how: str
    what: str
    subject: str
    link: str
    times: int
    detail: str


def list_audit(tenant_id: int, before: int | None) -> ListPage:
    page, older = page_of(find_entries(tenant_id), before)
    channels = Channel.objects.filter(tenant_id=tenant_id).values_list("uid", "name")
    names = {f"channel:{uid}": name for uid, name in channels}
    members = Membership.objects.filter(tenant_id=tenant_id).select_related("operator")
    names |= {f"operator:{member.operator.uid}": str(member.operator) for member in members}
    return ListPage([_entry(entry, names) for entry in page], older)


def _entry(entry: AuditEntry, names: Mapping[str, str]) -> AuditLine:
    what = _DEEDS.get(entry.action)
    kind, id_ = entry.subject.partition(":")[::2]
    where = {"conversation": "console:conversation"}.get(kind)
    return AuditLine(
        at=entry.at,
        who=entry.name or entry.actor_kind,
        how={"operator": "", "key": _("API key"), "command": _("command line")}[entry.actor_kind],
        what=_(what) if what else entry.action,
        subject=names.get(entry.subject, _SUBJECTS[kind]() if kind in _SUBJECTS else entry.subject),
        link=reverse(where, args=[id_.replace("-", "")]) if where else "",
        times=entry.count,
        detail=entry.detail,
    )


# What has no name of its own is called by its kind: an id says nothing to people.
_SUBJECTS: Final = {
    "conversation": lambda: _("Conversation"),
    "message": lambda: _("Message"),
    "alarm": lambda: _("Alarm"),
    "account": lambda: _("Account"),
}
_DEEDS: Final[Mapping[str, str]] = {
    AuditAction.MESSAGE_REVIVED: gettext_noop("Sent again"),
    AuditAction.MESSAGE_EDITED: gettext_noop("Changed and sent again"),
    AuditAction.MESSAGE_CANCELLED: gettext_noop("Taken back"),
    AuditAction.LETTERS_EXPORTED: gettext_noop("Stopped messages exported"),
    AuditAction.CHANNEL_MADE: gettext_noop("Channel made"),
    AuditAction.CHANNEL_CHANGED: gettext_noop("Channel changed"),
    AuditAction.CHANNEL_REMOVED: gettext_noop("Channel removed"),
    AuditAction.CHANNEL_PAUSED: gettext_noop("Channel paused"),
    AuditAction.CHANNEL_RESUMED: gettext_noop("Channel resumed"),
    AuditAction.SESSION_WISHED: gettext_noop("Session changed"),
    AuditAction.SESSION_CODE_SHOWN: gettext_noop("Pairing code shown"),
    AuditAction.SESSION_NUMBER_CONFIRMED: gettext_noop("Number of a phone confirmed"),
    AuditAction.HOOK_MADE: gettext_noop("Hook made"),
    AuditAction.HOOK_REMOVED: gettext_noop("Hook removed"),
    AuditAction.HOOK_REVEALED: gettext_noop("Address of a hook shown"),
    AuditAction.HOOK_RENEWED: gettext_noop("Address of a hook exchanged"),
    AuditAction.ASSISTANT_MADE: gettext_noop("Assistant made"),
    AuditAction.ASSISTANT_DRAFTED: gettext_noop("Draft of an assistant changed"),
    AuditAction.ASSISTANT_PUBLISHED: gettext_noop("Assistant published"),
    AuditAction.ASSISTANT_SWITCHED: gettext_noop("Assistant switched on or off"),
    AuditAction.ASSISTANTS_STOPPED: gettext_noop("All assistants stopped"),
    AuditAction.ASSISTANTS_RESUMED: gettext_noop("Assistants answer again"),
    AuditAction.BUDGET_SET: gettext_noop("Budget set"),
    AuditAction.BUDGET_REMOVED: gettext_noop("Budget removed"),
    AuditAction.PRICES_IMPORTED: gettext_noop("Prices imported"),
    AuditAction.FLOOD_RULE_SET: gettext_noop("Rule of floods set"),
    AuditAction.FLOOD_RULE_REMOVED: gettext_noop("Rule of floods removed"),
    AuditAction.PATTERN_SET: gettext_noop("Pattern set"),
    AuditAction.PATTERN_REMOVED: gettext_noop("Pattern removed"),
    AuditAction.SIGNED_IN: gettext_noop("Signed in"),
    AuditAction.SIGN_IN_FAILED: gettext_noop("Sign-in failed"),
    AuditAction.LINK_USED: gettext_noop("Signed in by a link"),
    AuditAction.TEMPLATES_LISTED: gettext_noop("Templates listed anew"),
    AuditAction.CONVERSATION_TAKEN_OVER: gettext_noop("Conversation taken over"),
    AuditAction.CONVERSATION_GIVEN_BACK: gettext_noop("Conversation given back"),
    AuditAction.MESSAGE_SETTLED: gettext_noop("Unknown outcome settled"),
    AuditAction.FAILURE_DISMISSED: gettext_noop("Failed message dismissed"),
    AuditAction.PEOPLE_JOINED: gettext_noop("Two contacts joined"),
    AuditAction.PEOPLE_PARTED: gettext_noop("Two contacts parted"),
    AuditAction.PEOPLE_DISMISSED: gettext_noop("Two contacts are not one person"),
    AuditAction.CONTACT_NAMED: gettext_noop("Contact named"),
    AuditAction.CONSENT_TAKEN: gettext_noop("Consent taken down"),
    AuditAction.KEY_MADE: gettext_noop("API key made"),
    AuditAction.KEY_LIMITED: gettext_noop("Limit of an API key set"),
    AuditAction.KEY_REVOKED: gettext_noop("API key revoked"),
    AuditAction.TENANT_MADE: gettext_noop("Tenant made"),
    AuditAction.TENANT_RENAMED: gettext_noop("Tenant renamed"),
    AuditAction.TENANT_REMOVED: gettext_noop("Tenant removed"),
    AuditAction.TENANT_LIMITED: gettext_noop("Limit of the tenant set"),
    AuditAction.OPERATOR_ADDED: gettext_noop("Operator added"),
    AuditAction.OPERATOR_CHANGED: gettext_noop("Operator changed"),
    AuditAction.OPERATOR_LINKED: gettext_noop("Sign-in link made"),
    AuditAction.OPERATOR_SHUT_OUT: gettext_noop("Operator shut out"),
    AuditAction.OPERATOR_LET_IN: gettext_noop("Operator let in again"),
    AuditAction.PASSWORD_CHANGED: gettext_noop("Password changed"),
    AuditAction.CONVERSATION_OPENED: gettext_noop("Conversation opened"),
    AuditAction.SEALED_AGAIN: gettext_noop("Secrets sealed with the newest key"),
    AuditAction.ALARM_CLEARED: gettext_noop("Alarm cleared"),
}
