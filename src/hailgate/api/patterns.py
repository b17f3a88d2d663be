"""Patterns: texts with variables that messages name instead of saying them."""

from django.http import HttpRequest
from ninja import Router

from hailgate.accounts.audit import AuditAction, AuditRecord, audited
from hailgate.api.access import actor_of, tenant_of
from hailgate.api.schemas.templates import PatternIn, PatternOut, PatternsOut
from hailgate.core.patterns import StandingPattern
from hailgate.messaging.assistants import patterns
from hailgate.messaging.store.sqlite_writer import write

router = Router(tags=["Patterns"])


@router.get("/patterns", response=PatternsOut, operation_id="list_patterns")
def list_all(request: HttpRequest) -> PatternsOut:
    """All of the tenant, by name and language."""
    return PatternsOut(items=[_shown(each) for each in patterns.list_patterns(tenant_of(request))])


@router.put("/patterns/{name}/{language}", response=PatternOut, operation_id="set_pattern")
def set_one(request: HttpRequest, name: str, language: str, body: PatternIn) -> PatternOut:
    """Takes the place of one of the same name and language."""
    deed = _deed(request, AuditAction.PATTERN_SET, name, language)
    return _shown(write(audited, deed, patterns.set_pattern, tenant_of(request), name, language, body.text))


@router.delete("/patterns/{name}/{language}", response=dict[str, bool], operation_id="remove_pattern")
def remove_one(request: HttpRequest, name: str, language: str) -> dict[str, bool]:
    """Messages that were accepted with it keep what it said."""
    deed = _deed(request, AuditAction.PATTERN_REMOVED, name, language)
    return {"removed": write(audited, deed, patterns.remove_pattern, tenant_of(request), name, language)}


def _shown(pattern: StandingPattern) -> PatternOut:
    return PatternOut(**pattern._asdict(), variables=list(pattern.variables))


def _deed(request: HttpRequest, action: AuditAction, name: str, language: str) -> AuditRecord:
    return AuditRecord(actor_of(request), tenant_of(request), action, f"pattern:{name[:40]}", language[:6])
