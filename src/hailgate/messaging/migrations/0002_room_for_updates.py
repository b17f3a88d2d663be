"""How far an ingest wanted to go, as a mark on its hook; one index less; room in PostgreSQL's pages for updates."""

from typing import Any

from django.db import migrations, models

# Percent of a page that inserts fill. An update that finds room in its row's own page and changes no indexed column
# writes to no index; queue rows are updated three times in their short life, attempts once.
FILL = {"messaging_work": 50, "messaging_attempt": 70}


def leave_room(_: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for table, percent in FILL.items():
            schema_editor.execute(f"ALTER TABLE {table} SET (fillfactor = {percent})")


class Migration(migrations.Migration):
    dependencies = [("messaging", "0001_initial")]

    operations = [
        migrations.AddField("hook", "ingest_upto", models.BigIntegerField(null=True)),
        migrations.RemoveIndex("message", "message_time"),
        migrations.RunPython(leave_room, migrations.RunPython.noop),
    ]
