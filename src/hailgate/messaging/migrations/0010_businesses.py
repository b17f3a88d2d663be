from django.db import migrations, models


class Migration(migrations.Migration):
    """Names in Python alone: the database keeps what the version before reads while it still runs."""

    dependencies = [("messaging", "0009_retention")]

    operations = [
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
        )
    ]
