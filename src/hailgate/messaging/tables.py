"""Every table that batches are written to, by name."""

from hailgate.messaging import models
from hailgate.messaging.sql import Table

ADDRESS = Table(models.ContactAddress)
ALLOWANCE = Table(models.Allowance)
AMENDMENT = Table(models.Amendment)
ATTACHMENT = Table(models.Attachment)
ATTEMPT = Table(models.Attempt)
CHANNEL = Table(models.Channel)
CONTACT = Table(models.Contact)
CONVERSATION = Table(models.Conversation)
EARLY_STATUS = Table(models.EarlyStatus)
EFFECT = Table(models.Effect)
EVENT = Table(models.WebhookEvent)
HOOK = Table(models.Hook)
IDEMPOTENCY = Table(models.IdempotencyKey)
BUSINESS = Table(models.Business)
MESSAGE = Table(models.Message)
PROVIDER_FILE = Table(models.ProviderFile)
RECEIPT = Table(models.Receipt)
REJECTED_CALL = Table(models.RejectedCall)
SUPPRESSION = Table(models.Suppression)
TEMPLATE = Table(models.Template)
WORK = Table(models.Work)
WORKER = Table(models.Worker)
