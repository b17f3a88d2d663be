"""Additive, as every migration must be while an older version still runs. Slow where the environment says so."""

import os
import threading

from django.db import migrations


def take_time(*_: object) -> None:
    """In the migration's own transaction, with its locks held."""
    threading.Event().wait(float(os.environ.get("FAULTS_MIGRATION_S", "0")))


class Migration(migrations.Migration):
    dependencies = [("messaging", "0001_initial")]
    operations = [
        migrations.RunSQL("ALTER TABLE messaging_message ADD COLUMN remark varchar(20) NULL"),
        migrations.RunPython(take_time, migrations.RunPython.noop),
    ]
