"""An opt-out may be told of a message whose id is not known yet."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("messaging", "0002_room_for_updates")]

    operations = [migrations.AddField("earlystatus", "opted_out", models.BooleanField(db_default=False))]
