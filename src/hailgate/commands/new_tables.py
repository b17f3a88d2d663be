"""A new SQLite database: its tables as the models say, recorded as migrated.

Following every migration there ever was costs seconds, which whoever tries the product waits for. Migrations change the
tables of databases that have some; a test holds that both ways lead to the same ones.
"""

from django.apps import apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder


def make_tables() -> bool:
    """In one transaction. False where there are tables, or the database is no SQLite: then migrations are followed."""
    if connection.vendor != "sqlite" or connection.introspection.table_names():
        return False
    known = sorted(MigrationLoader(connection).disk_migrations)
    with connection.schema_editor() as editor:
        if connection.introspection.table_names():  # somebody else was quicker
            return False
        recorder = MigrationRecorder(connection)
        editor.create_model(recorder.Migration)
        for model in apps.get_models():
            if model._meta.managed and not model._meta.proxy:  # noqa: SLF001 -- Django's documented way to its options
                editor.create_model(model)
        recorder.migration_qs.bulk_create(recorder.Migration(app=app, name=name) for app, name in known)
    return True
