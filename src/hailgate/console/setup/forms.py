"""Forms made from a provider's own settings: what is shown, and what was typed."""

import secrets
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from django.http import QueryDict

from hailgate.core.errors import HailgateError
from hailgate.providers.config import Setting

TRUE, FALSE = "true", "false"


class SettingField(NamedTuple):
    """One setting as a form shows it. A stored secret is never shown: ``kept`` says that there is one."""

    setting: Setting
    value: str
    kept: bool
    problem: str

    @property
    def checked(self) -> bool:
        return self.value.lower() == TRUE


class FormProblem(NamedTuple):
    """Why a form was not taken, and which field it is about."""

    field: str
    sentence: str


def empty_fields(settings: Iterable[Setting]) -> list[SettingField]:
    return [SettingField(each, secrets.token_urlsafe(24) if each.generated else "", False, "") for each in settings]


def stored_fields(settings: Iterable[Setting], stored: Mapping[str, str]) -> list[SettingField]:
    return [SettingField(each, _shown(each, stored), each.secret and each.name in stored, "") for each in settings]


def refused_fields(
    settings: Iterable[Setting], typed: Mapping[str, str], stored: Mapping[str, str], refused: FormProblem
) -> list[SettingField]:
    """What was typed is still there, secrets apart: a browser may keep pages."""
    return [
        SettingField(
            each,
            "" if each.secret and not each.generated else typed.get(each.name, ""),
            each.secret and each.name in stored,
            refused.sentence if each.name == refused.field else "",
        )
        for each in settings
    ]


def read_settings(settings: Iterable[Setting], form: QueryDict) -> dict[str, str]:
    """What was typed; a field left empty is a setting not given."""
    typed = {}
    for each in settings:
        value = form.get(each.name, "").strip()
        if each.flag:
            typed[each.name] = TRUE if value else FALSE
        elif value:
            typed[each.name] = value
    return typed


def tell(refused: HailgateError) -> FormProblem:
    return FormProblem(getattr(refused, "field", None) or "", refused.detail)


def _shown(setting: Setting, stored: Mapping[str, str]) -> str:
    return "" if setting.secret else stored.get(setting.name, "")
