"""Spending of assistants, and the prices and budgets that an owner set."""

from django.db import models
from django.db.models import Q

from hailgate.messaging.models.abstract import TenantModel
from hailgate.messaging.models.assistants import Assistant


class AssistantSpending(TenantModel):
    """What was spent of one period's room: reserved before a call, settled after it.

    Of an ``assistant``, or of the tenant where there is none; of all contacts where ``contact_id`` is 0. ``day`` counts
    days (UTC) since 1970; a month is told by a negative number. ``nanos`` are billionths of ``currency``.
    """

    assistant = models.ForeignKey(Assistant, models.CASCADE, null=True, related_name="+", db_index=False)
    contact_id = models.BigIntegerField(default=0)
    day = models.IntegerField()
    messages = models.IntegerField(default=0)
    tokens = models.BigIntegerField(default=0)
    nanos = models.BigIntegerField(db_default=0)
    currency = models.CharField(max_length=3, blank=True, db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["assistant", "day", "contact_id"], name="assistant_spending_day"),
            models.UniqueConstraint(
                fields=["tenant", "day", "contact_id"], condition=Q(assistant__isnull=True), name="tenant_spending_day"
            ),
        ]


class Budget(TenantModel):
    """What assistants of a tenant may spend at most. ``most`` counts messages, tokens or billionths of ``currency``."""

    subject = models.CharField(max_length=10)
    period = models.CharField(max_length=10)
    unit = models.CharField(max_length=10)
    most = models.BigIntegerField()
    currency = models.CharField(max_length=3, blank=True, db_default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "subject", "period", "unit"], name="one_budget")]


class MessagePrice(TenantModel):
    """What the owner says that a charged message costs, from the day ``since`` (as ISO writes it) on."""

    market = models.CharField(max_length=2)
    category = models.CharField(max_length=40)
    since = models.CharField(max_length=10)
    currency = models.CharField(max_length=3)
    nanos = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "market", "category", "since", "currency"], name="one_price")
        ]


class ModelPrice(TenantModel):
    """What the owner says that a million tokens of a model cost."""

    vendor = models.CharField(max_length=30)
    model = models.CharField(max_length=100)
    since = models.CharField(max_length=10)
    currency = models.CharField(max_length=3)
    input_nanos = models.BigIntegerField()
    output_nanos = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "vendor", "model", "since", "currency"], name="one_model_price")
        ]
