"""Templates, and the accounts at providers that they belong to."""

import uuid

from django.db import models

from hailgate.accounts.fields import InstantField
from hailgate.messaging.models.abstract import TenantModel


class Business(TenantModel):
    """The account at a provider that templates belong to, and the last list of them. Its channels share it.

    ``due_at`` is when it is to be listed again; for one that is being listed, when its lister is given up. The
    database knows it by its first name, library: processes of the version before read it during an upgrade.
    """

    provider = models.CharField(max_length=30)
    account = models.CharField(max_length=100)
    due_at = models.FloatField(default=0)
    tries = models.SmallIntegerField(default=0)
    synced_at = InstantField(null=True)
    code = models.CharField(max_length=60, blank=True)
    detail = models.CharField(max_length=300, blank=True)

    class Meta:
        db_table = "messaging_templatelibrary"
        constraints = [models.UniqueConstraint(fields=["tenant", "provider", "account"], name="one_library")]
        indexes = [models.Index(fields=["due_at"], name="library_due")]


class MessagePattern(TenantModel):
    """A text with variables that a tenant says again and again, in one language (`core.patterns`)."""

    name = models.CharField(max_length=40)
    language = models.CharField(max_length=6)
    text = models.TextField()
    changed_at = InstantField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name", "language"], name="one_pattern")]


class Template(TenantModel):
    """A template in one language, in its provider's words; ``core.templates`` reads ``components``.

    One that its provider does not list any more is ``gone``, not deleted: messages name it. ``status_at``,
    ``quality_at`` and ``category_at`` are the provider's times of what it told last; ``changed_at`` is ours.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True)
    business = models.ForeignKey(
        Business, models.CASCADE, related_name="templates", db_column="library_id", db_index=False
    )
    provider_id = models.CharField(max_length=60)
    name = models.CharField(max_length=512)
    language = models.CharField(max_length=60)
    category = models.CharField(max_length=60, blank=True)
    status = models.CharField(max_length=60, blank=True)
    quality = models.CharField(max_length=60, blank=True)
    named = models.BooleanField(default=False)
    components = models.TextField(blank=True)
    reason = models.CharField(max_length=300, blank=True)
    status_at = InstantField(null=True)
    quality_at = InstantField(null=True)
    category_at = InstantField(null=True)
    changed_at = InstantField()
    synced_at = InstantField(null=True)
    gone_at = InstantField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["business", "name", "language"], name="one_template")]
        indexes = [models.Index(fields=["tenant", "id"], name="template_page")]
