"""What tables share: a tenant, checked by the database or, on rows that are written per message, not."""

from typing import Any

from django.db import models

from hailgate.accounts.models import Tenant


class TenantModel(models.Model):
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False)

    class Meta:
        abstract = True


def unchecked_parent(to: type[models.Model] | str, **options: Any) -> "models.ForeignKey[Any, Any]":
    """A parent of a row that is written per message: no constraint, no index of its own.

    A checked foreign key costs the database about as much as the row itself, and its key-share lock would make
    every enqueue look busy to a claim. Each of these tables is written by one module, from rows it has just read.
    """
    return models.ForeignKey(to, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False, **options)


class HotModel(models.Model):
    tenant = unchecked_parent(Tenant)

    class Meta:
        abstract = True
