from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def take_back_names(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """For a while 0008 stood here with other names. A database that was begun then gets those of every other."""
    connection = schema_editor.connection
    if "messaging_business" not in connection.introspection.table_names():
        return
    schema_editor.execute("ALTER TABLE messaging_business RENAME TO messaging_templatelibrary")
    schema_editor.execute("ALTER TABLE messaging_template RENAME COLUMN business_id TO library_id")
    schema_editor.execute("ALTER TABLE messaging_channel RENAME COLUMN business_id TO library_id")
    schema_editor.execute("DROP INDEX business_due")
    schema_editor.execute("CREATE INDEX library_due ON messaging_templatelibrary (due_at)")
    if connection.vendor == "postgresql":  # SQLite cannot, and never asks for the name
        schema_editor.execute("ALTER TABLE messaging_templatelibrary RENAME CONSTRAINT one_business TO one_library")


class Migration(migrations.Migration):
    """Names in Python alone: the database keeps what the version before reads while it still runs."""

    dependencies = [("messaging", "0009_retention")]

    operations = [
        migrations.RunPython(take_back_names, migrations.RunPython.noop),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveConstraint(model_name="template", name="one_template"),
                migrations.RenameModel(old_name="TemplateLibrary", new_name="Business"),
                migrations.AlterModelTable(name="business", table="messaging_templatelibrary"),
                migrations.RenameField(model_name="template", old_name="library", new_name="business"),
                migrations.RenameField(model_name="channel", old_name="library", new_name="business"),
                migrations.AlterField(
                    model_name="template",
                    name="business",
                    field=models.ForeignKey(
                        db_column="library_id",
                        db_index=False,
                        on_delete=models.deletion.CASCADE,
                        related_name="templates",
                        to="messaging.business",
                    ),
                ),
                migrations.AlterField(
                    model_name="channel",
                    name="business",
                    field=models.ForeignKey(
                        db_column="library_id",
                        db_index=False,
                        null=True,
                        on_delete=models.deletion.SET_NULL,
                        related_name="channels",
                        to="messaging.business",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="template",
                    constraint=models.UniqueConstraint(fields=("business", "name", "language"), name="one_template"),
                ),
            ]
        ),
    ]
