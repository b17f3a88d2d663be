"""Workers: the processes that claim work."""

import uuid

from django.db import models
from django.db.models import Q

from hailgate.accounts.fields import InstantField


class Worker(models.Model):
    """A process that claims work, alive as long as it renews its lease."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True)
    host = models.CharField(max_length=255)
    lock_file = models.TextField(blank=True)
    alive = models.BooleanField(default=True)
    started_at = InstantField()
    expires_at = InstantField()
    ended_at = InstantField(null=True)
    ending = models.CharField(max_length=20, blank=True)

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="worker_alive", condition=Q(alive=True))]
