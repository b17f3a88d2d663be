"""Files: attachments of messages, links to them, and what providers have of them."""

from django.db import models
from django.db.models import Q

from hailgate.accounts.fields import InstantField
from hailgate.messaging.models.abstract import HotModel, unchecked_parent
from hailgate.messaging.models.channels import Channel
from hailgate.messaging.models.conversations import Message
from hailgate.messaging.models.webhooks import WebhookEvent


class AttachmentState(models.IntegerChoices):
    """``AWAITED`` is to be fetched from the provider; ``FAILED`` says why it was not; ``REMOVED`` outlived its days."""

    AWAITED = 0
    STORED = 1
    FAILED = 2
    REMOVED = 3


class Attachment(HotModel):
    """A file of a message. ``mime``, ``size`` and ``sha256`` are of its bytes; what the sender said of it is ``told``.

    ``file`` is its random name in the store of files, ``key`` what it is sealed with there. Where it is fetched from:
    ``provider_id``, or else ``source``, sealed: a link of the provider's, or the place of the file in ``webhook``.
    """

    uid = models.UUIDField(unique=True)
    channel = unchecked_parent(Channel, null=True)
    message = unchecked_parent(Message, null=True)
    state = models.SmallIntegerField(choices=AttachmentState.choices)
    kind = models.CharField(max_length=10)
    name = models.TextField(blank=True)
    provider_id = models.CharField(max_length=255, blank=True)
    source = models.TextField(db_default="")
    webhook = unchecked_parent(WebhookEvent, null=True)
    told_sha256 = models.CharField(max_length=64, blank=True)
    mime = models.CharField(max_length=100, blank=True)
    size = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    file = models.CharField(max_length=80, blank=True)
    key = models.TextField(blank=True)
    code = models.CharField(max_length=60, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    created_at = InstantField()
    stored_at = InstantField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["message"], name="attachment_message", condition=Q(message__isnull=False)),
            models.Index(fields=["tenant", "id"], name="attachment_failed", condition=Q(state=2)),
            models.Index(fields=["stored_at"], name="attachment_age", condition=Q(state=1)),
            models.Index(fields=["file"], name="attachment_file", condition=Q(file__gt="")),
            models.Index(fields=["id"], name="attachment_undropped", condition=Q(state=3, file__gt="")),
        ]


class FileLink(HotModel):
    """A link of ours to one attempt's file, for a provider that fetches what a message names.

    It is gone once the message's fate is known, or its file is erased. ``digest`` is the SHA-256 of its token.
    """

    digest = models.CharField(max_length=64, unique=True)
    attachment = unchecked_parent(Attachment)
    message = unchecked_parent(Message)
    attempt = models.IntegerField()
    expires_at = InstantField()
    fetches = models.IntegerField(db_default=0)

    class Meta:
        indexes = [
            models.Index(fields=["message"], name="link_message"),
            models.Index(fields=["expires_at"], name="link_age"),
        ]


class ProviderFile(HotModel):
    """A file of ours that a channel's provider has, under the provider's id; it forgets it after a time."""

    attachment = unchecked_parent(Attachment)
    channel = unchecked_parent(Channel)
    provider_id = models.CharField(max_length=255)
    uploaded_at = InstantField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["attachment", "channel"], name="one_provider_file")]
