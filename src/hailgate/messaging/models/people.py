"""Contacts: their addresses, which of them are one person, and what they agreed to."""

import uuid

from django.db import models
from django.db.models import Q

from hailgate.accounts.fields import InstantField
from hailgate.messaging.models.abstract import TenantModel


class Contact(TenantModel):
    """A person or a group. Known by addresses of several kinds; a phone number may be missing.

    ``merged_into`` names the root of those that are one person. ``name`` is the provider's, as of its time
    ``named_at``; ``own_name`` is what an operator calls them.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True)
    is_group = models.BooleanField(default=False)
    name = models.TextField(blank=True)
    named_at = InstantField(null=True)
    own_name = models.TextField(blank=True, db_default="")
    origin = models.CharField(max_length=40)
    merged_into = models.ForeignKey("self", models.SET_NULL, null=True, related_name="+")
    created_at = InstantField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "origin"], name="contact_origin")]


class ContactAddress(TenantModel):
    """``contact`` is the root that has it now; ``home`` the contact that learned it, where that is another.

    ``instead`` is what the provider last called the line or account that this address named, as of ``instead_at``.
    ``since_at`` is the provider's time since which its present holder has it. ``portfolio`` says which of a
    provider's businesses gave a scoped id: no person has two of one.
    """

    contact = models.ForeignKey(Contact, models.CASCADE, related_name="addresses")
    home = models.ForeignKey(Contact, models.SET_NULL, null=True, related_name="+", db_index=False)
    kind = models.CharField(max_length=10)
    value = models.TextField()
    digest = models.CharField(max_length=40)
    portfolio = models.CharField(max_length=24, blank=True, db_default="")
    instead = models.ForeignKey("self", models.SET_NULL, null=True, related_name="+", db_index=False)
    instead_at = models.FloatField(db_default=0.0)
    since_at = models.FloatField(db_default=0.0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "digest"], name="contact_address")]
        # Else each contact or address that is erased costs a look at all of the installation's.
        indexes = [
            models.Index(fields=["home"], name="contact_address_home", condition=Q(home__isnull=False)),
            models.Index(fields=["instead"], name="contact_address_instead", condition=Q(instead__isnull=False)),
        ]


class FormerAddress(TenantModel):
    """Who had an address before it changed hands: up to the message ``upto``, and the provider's time ``until``."""

    digest = models.CharField(max_length=40)
    contact = models.ForeignKey(Contact, models.CASCADE, related_name="+")
    upto = models.BigIntegerField()
    until = models.FloatField()

    class Meta:
        indexes = [models.Index(fields=["tenant", "digest", "upto"], name="former_address")]


class JoinState(models.IntegerChoices):
    """``CONFIRMED`` says what was known already; ``SUGGESTED`` is a question for an operator."""

    PROVEN = 0
    JOINED = 1
    UNDOING = 2
    UNDONE = 3
    CONFIRMED = 4
    SUGGESTED = 5
    DISMISSED = 6


class Join(TenantModel):
    """Two contacts that are one person, by the two addresses that were told together; or were, or may be.

    ``left`` and ``right`` are where these were at home. ``before`` holds names and consents from before the join,
    ``upto`` is the last message of that time. ``by`` is who joined or undid it, where that was somebody.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True)
    state = models.SmallIntegerField(choices=JoinState.choices)
    proof = models.CharField(max_length=20)
    left = models.ForeignKey(Contact, models.CASCADE, related_name="+")
    right = models.ForeignKey(Contact, models.CASCADE, related_name="+")
    left_digest = models.CharField(max_length=40)
    right_digest = models.CharField(max_length=40)
    source = models.CharField(max_length=200, blank=True)
    by = models.CharField(max_length=100, blank=True)
    told_at = InstantField()
    joined_at = InstantField(null=True)
    undone_at = InstantField(null=True)
    upto = models.BigIntegerField(default=0)
    before = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "proof", "left_digest", "right_digest"], name="one_proof"),
        ]
        indexes = [
            models.Index(fields=["id"], name="join_due", condition=Q(state__in=[0, 2])),
            models.Index(fields=["tenant", "state", "-id"], name="join_page"),
        ]


class Consent(TenantModel):
    """The newest choice that a person made at one address, yes or no, as of their own time; ``proof`` is the message.

    Suppressions follow from it: the newest choice at any address of a person holds for all of them.
    """

    digest = models.CharField(max_length=40)
    scope = models.CharField(max_length=20)
    wanted = models.BooleanField()
    reason = models.CharField(max_length=60)
    at = InstantField()
    proof = models.CharField(max_length=40, blank=True, db_default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "digest", "scope"], name="one_consent")]


class Suppression(TenantModel):
    """An address that must not be written to, and why. ``scope`` is ``all``, ``marketing`` or ``unasked``."""

    digest = models.CharField(max_length=40)
    scope = models.CharField(max_length=20)
    reason = models.CharField(max_length=60)
    at = InstantField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "digest", "scope"], name="one_suppression")]
