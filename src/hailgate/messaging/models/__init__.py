"""Tables, by what they are about. No logic here: rules live in ``core``, verbs in the packages beside this one.

Ids inside are bigints given by the database in arrival order, and that order is the order of delivery; ids outside
(``uid``) are UUIDs. ``tenant_id`` stands on every table, and a test refuses SQL on them that does not name it.
"""

from hailgate.messaging.models.abstract import HotModel, TenantModel
from hailgate.messaging.models.assistants import (
    Assistant,
    AssistantStop,
    AssistantVersion,
    ConversationSummary,
    Flood,
    FloodRule,
    ToolCall,
    TurnAnswer,
)
from hailgate.messaging.models.broker import ConsumedMessage, HeldEnvelope, Publication, QueueLease
from hailgate.messaging.models.channels import Allowance, Allowed, Channel, Session
from hailgate.messaging.models.conversations import (
    CONSENT,
    PERSON,
    RESPONDER,
    TELEPHONE,
    Conversation,
    Direction,
    Message,
)
from hailgate.messaging.models.files import Attachment, AttachmentState, FileLink, ProviderFile
from hailgate.messaging.models.inbound import Amendment, EarlyContactChange, EarlyStatus, Effect
from hailgate.messaging.models.outbound import Attempt, Dismissal, IdempotencyKey, Receipt, Search
from hailgate.messaging.models.people import (
    Consent,
    Contact,
    ContactAddress,
    FormerAddress,
    Join,
    JoinState,
    Suppression,
)
from hailgate.messaging.models.spending import AssistantSpending, Budget, MessagePrice, ModelPrice
from hailgate.messaging.models.templates import Business, MessagePattern, Template
from hailgate.messaging.models.webhooks import EventOrigin, EventState, Hook, PublicUrl, RejectedCall, WebhookEvent
from hailgate.messaging.models.work import Work, WorkKind, WorkState
from hailgate.messaging.models.workers import Worker

__all__ = [
    "CONSENT",
    "PERSON",
    "RESPONDER",
    "TELEPHONE",
    "Allowance",
    "Allowed",
    "Amendment",
    "Assistant",
    "AssistantSpending",
    "AssistantStop",
    "AssistantVersion",
    "Attachment",
    "AttachmentState",
    "Attempt",
    "Budget",
    "Business",
    "Channel",
    "Consent",
    "ConsumedMessage",
    "Contact",
    "ContactAddress",
    "Conversation",
    "ConversationSummary",
    "Direction",
    "Dismissal",
    "EarlyContactChange",
    "EarlyStatus",
    "Effect",
    "EventOrigin",
    "EventState",
    "FileLink",
    "Flood",
    "FloodRule",
    "FormerAddress",
    "HeldEnvelope",
    "Hook",
    "HotModel",
    "IdempotencyKey",
    "Join",
    "JoinState",
    "Message",
    "MessagePattern",
    "MessagePrice",
    "ModelPrice",
    "ProviderFile",
    "PublicUrl",
    "Publication",
    "QueueLease",
    "Receipt",
    "RejectedCall",
    "Search",
    "Session",
    "Suppression",
    "Template",
    "TenantModel",
    "ToolCall",
    "TurnAnswer",
    "WebhookEvent",
    "Work",
    "WorkKind",
    "WorkState",
    "Worker",
]
