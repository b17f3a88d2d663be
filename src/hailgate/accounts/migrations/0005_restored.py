from django.db import migrations

import hailgate.accounts.fields


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_external_tenants")]

    operations = [
        migrations.AddField(
            model_name="installation",
            name="restored_at",
            field=hailgate.accounts.fields.InstantField(null=True),
        ),
    ]
