"""Whether this program and the schema of its database fit each other, so that old and new may run side by side.

A program's number, for each of its two apps, is that of the newest migration which it brings. A migration that older
programs cannot work with names the oldest one that still can, as ``oldest_program``; one that only adds names none. The
database keeps the highest of these, so that a program knows of migrations that came after it.
"""

import json
from collections.abc import Mapping

from django.db import connection
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from hailgate.accounts.models import Installation

APPS = ("accounts", "messaging")


def find_misfit() -> str:
    """Why this program cannot work with the schema, or an empty string. Raises what the database raises."""
    if pending := pending_migrations():
        return f"The database lacks {len(pending)} migrations: run `hailgate migrate`."
    if find_outgrown():
        return "The database was migrated for newer programs, and this one is too old for it: install the new version."
    return ""


def pending_migrations() -> list[str]:
    """Names of migrations that this version brings and the database has not seen."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def find_outgrown() -> bool:
    """Whether the database has been migrated beyond what this program fits. One read of one row."""
    kept = Installation.objects.values_list("oldest_programs", flat=True).first()
    return outgrown(json.loads(kept), known_programs()) if kept else False


def outgrown(oldest: Mapping[str, int], own: Mapping[str, int]) -> bool:
    return any(own.get(app, 0) < number for app, number in oldest.items())


def known_programs() -> dict[str, int]:
    """Of this version, by app."""
    return {app: max(map(number_of, _brought(app)), default=0) for app in APPS}


def oldest_programs() -> dict[str, int]:
    """For each app the oldest program that fits once all migrations of this version are applied."""
    return {
        app: max((getattr(each, "oldest_program", 0) for each in _brought(app).values()), default=0) for app in APPS
    }


def keep_oldest_programs() -> None:
    """Told to the database by whoever migrates it; never lowered, since an older program may migrate once more."""
    row = Installation.objects.first()
    if row is None:
        return
    kept = json.loads(row.oldest_programs or "{}")
    raised = {app: max(number, kept.get(app, 0)) for app, number in oldest_programs().items()}
    if raised != kept:
        Installation.objects.filter(id=row.id).update(oldest_programs=json.dumps(raised))


def number_of(name: str) -> int:
    """0024_what_it_does → 24."""
    return int(name.partition("_")[0])


def _brought(app: str) -> dict[str, Migration]:
    global _loader  # noqa: PLW0603 -- read once: what a program brings does not change while it runs
    if _loader is None:
        _loader = MigrationLoader(None)
    return {name: each for (label, name), each in _loader.disk_migrations.items() if label == app}


_loader: MigrationLoader | None = None
