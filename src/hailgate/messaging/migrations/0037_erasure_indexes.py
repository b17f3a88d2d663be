"""Whoever is erased costs no look at everybody else: what refers to a contact or an address is found by an index."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("messaging", "0036_early_contact_change")]

    operations = [
        migrations.AddIndex(
            model_name="contactaddress",
            index=models.Index(
                condition=models.Q(("home__isnull", False)), fields=["home"], name="contact_address_home"
            ),
        ),
        migrations.AddIndex(
            model_name="contactaddress",
            index=models.Index(
                condition=models.Q(("instead__isnull", False)), fields=["instead"], name="contact_address_instead"
            ),
        ),
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index(condition=models.Q(("home__isnull", False)), fields=["home"], name="conversation_home"),
        ),
    ]
