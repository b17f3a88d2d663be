"""Who owns what: the installation, its tenants, their API keys, and the people who sign in."""

import uuid

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models

from hailgate.accounts.fields import InstantField


class Installation(models.Model):
    """The one row of things that belong to the whole installation.

    ``restored_at`` is when a backup was last brought back: what people wrote before is not answered by itself.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    lookup_key = models.TextField()
    restored_at = InstantField(null=True)
    # JSON: for each app the number of the oldest program that fits the schema (``accounts/schema.py``).
    oldest_programs = models.TextField(db_default="")
    # Since when nothing may leave (``messaging/store/hold.py``).
    held_at = InstantField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_installation")]


class Tenant(models.Model):
    """A customer of the installation. Everything a tenant owns carries its id."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=100, unique=True)
    # Who told of it: empty for one of our own, or `tenant_service`.
    source = models.CharField(max_length=20, blank=True, db_default="")
    created_at = InstantField()

    def __str__(self) -> str:
        return self.name


class ApiKey(models.Model):
    """A key of 256 random bits: found by its prefix, compared by SHA-256, shown once."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="api_keys")
    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16, unique=True)
    digest = models.CharField(max_length=64)
    created_at = InstantField()
    revoked_at = InstantField(null=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class Role(models.TextChoices):
    """What an operator may do for a tenant: agents talk with people, owners also see raw events and run channels."""

    OWNER = "owner"
    AGENT = "agent"


class Operator(AbstractBaseUser, PermissionsMixin):
    """A person who signs in with an e-mail address. ``is_superuser`` owns the whole installation."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=100, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = InstantField()

    USERNAME_FIELD = "email"
    objects = BaseUserManager()

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def is_staff(self) -> bool:
        """What Django's admin asks before it shows anything."""
        return self.is_superuser


class Membership(models.Model):
    """An operator works for a tenant."""

    operator = models.ForeignKey(Operator, models.CASCADE, related_name="memberships")
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.AGENT)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["operator", "tenant"], name="one_membership")]


class SignInLink(models.Model):
    """A way in without a password, stored as a digest, for a short time; ``reusable`` only in the demo."""

    operator = models.ForeignKey(Operator, models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64, unique=True)
    reusable = models.BooleanField(default=False)
    expires_at = models.FloatField()


class RaisedAlarm(models.Model):
    """Something an operator must know. One row stands for a code and a subject; ``told_at`` is when it was sent out."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, null=True, related_name="+")
    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    code = models.CharField(max_length=40)
    subject = models.CharField(max_length=100, blank=True)
    times = models.IntegerField(default=1)
    raised_at = InstantField()
    last_at = InstantField()
    cleared_at = InstantField(null=True)
    told_at = InstantField(null=True)
    tell_at = InstantField()
    tell_tries = models.SmallIntegerField(default=0)

    class Meta:
        db_table = "accounts_alarm"
        constraints = [
            models.UniqueConstraint(
                fields=["code", "subject"], condition=models.Q(cleared_at__isnull=True), name="one_standing_alarm"
            )
        ]


class AuditEntry(models.Model):
    """Who did what to what. ``actor`` is an id, ``name`` what the actor was called then; nothing of any message."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, null=True, related_name="+", db_index=False)
    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    at = InstantField()
    actor_kind = models.CharField(max_length=10)
    actor = models.CharField(max_length=40, blank=True)
    name = models.CharField(max_length=100, blank=True)
    action = models.CharField(max_length=40)
    subject = models.CharField(max_length=100, blank=True)
    count = models.IntegerField(default=1)
    detail = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [models.Index(fields=["tenant", "-id"], name="audit_page")]
