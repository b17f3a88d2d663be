"""Log events and facts: every name that a line may hold, with the sentence that documents it."""

from enum import StrEnum
from typing import Final, Self


class Event(StrEnum):
    """Every event that is logged, with the sentence that documents it."""

    sentence: str

    def __new__(cls, name: str, sentence: str) -> Self:
        event = str.__new__(cls, name)
        event._value_, event.sentence = name, sentence
        return event

    MESSAGE_RECEIVED = "message.received", "A person's message was stored in its conversation."
    MESSAGE_ACCEPTED = "message.accepted", "A message to send was stored and will be delivered."
    MESSAGE_SENT = "message.sent", "The provider took a message."
    MESSAGE_STATUS = "message.status", "A provider reported how far a message has come."
    MESSAGE_RETRIED = "message.retried", "An attempt failed or was throttled; the message is tried again later."
    MESSAGE_DEAD = "message.dead", "A message will not be tried again by itself; it is a dead letter."
    MESSAGE_CANCELLED = "message.cancelled", "Somebody took back a message before it was sent."
    MESSAGE_UNKNOWN = "message.unknown", "The provider may or may not have taken a message; it is parked."
    MESSAGE_SETTLED = (
        "message.settled",
        "The search for a message of unknown outcome has ended; `outcome` says how.",
    )
    CHANNEL_PAUSED = "channel.paused", "A channel sends nothing until somebody resumes it; `code` says why."
    CHANNEL_RESUMED = "channel.resumed", "A paused channel sends again: somebody wanted it so, or a check passed."
    POLLED = "channel.polled", "A provider was asked what came in; what its webhooks told before has no second effect."
    POLL_FAILED = "channel.poll_failed", "A provider could not be asked what came in; tried again later."
    SESSION_CONNECTED = "session.connected", "A channel's phone is paired and its session open."
    SESSION_DISCONNECTED = "session.disconnected", "A channel's phone is not paired any more: somebody has to pair it."
    SESSION_CHANGED = "session.changed", "A channel's session came to another state."
    SESSION_OTHER_NUMBER = (
        "session.other_number",
        "Another phone was paired than expected: nothing is sent.",
    )
    SESSION_UNKNOWN = "session.unknown", "A session could not be looked at; it is tried again."
    WEBHOOK_STORED = "webhook.stored", "A provider's webhook was verified and stored."
    WEBHOOK_REJECTED = "webhook.rejected", "A call to a hook was refused: its signature does not hold."
    WEBHOOK_BURIED = "webhook.buried", "A stored webhook could not be understood and was set aside."
    SPOOL_BEGAN = "spool.began", "The database is away: webhooks are kept on disk from now on."
    SPOOL_ENDED = "spool.ended", "Every webhook that was kept on disk is in the database."
    SPOOL_ADOPTED = "spool.adopted", "Webhooks were found on disk that a process left which is gone."
    SPOOL_TORN = "spool.torn", "A file of webhooks ends with a part that is not whole; it was never answered."
    SPOOL_KEPT = (
        "spool.kept",
        "The database refused webhooks that were kept on disk; their file stays, with the ending `refused`.",
    )
    SPOOL_FAILED = "spool.failed", "The disk does not take webhooks, or does not give them back; `error` says why."
    WORKER_STARTED = "worker.started", "A worker registered and claims work."
    WORKER_STOPPED = "worker.stopped", "A worker stopped and gave back what it held."
    WORKER_LOST = "worker.lost", "A worker was declared dead while it ran; it stopped everything at once."
    WORKER_TOOK_OVER = "worker.took_over", "The work of a worker that ended was made ready again."
    STORE_UNAVAILABLE = "store.unavailable", "The database did not answer."
    GATE_ROW_REFUSED = "gate.row_refused", "The database refused one row of a batch; its caller was told."
    TOOL_CALLED = "tool.called", "A tool of an assistant was called; ``code`` says what went wrong, if anything did."
    TURN_ANSWERED = "turn.answered", "The assistant answered a person, or had nothing to say."
    ASSISTANT_LIMITED = "assistant.limited", "An assistant reached a limit of its day; a person has the conversation."
    FLOODED = "assistant.flooded", "A person wrote more than a rule lets an assistant answer; ``code`` is the rule's."
    ASSISTANTS_STOPPED = "assistants.stopped", "Somebody stopped all assistants of a tenant; people answer."
    ASSISTANTS_RESUMED = "assistants.resumed", "A tenant's assistants may answer again."
    TURN_FAILED = "turn.failed", "The assistant failed; it is asked again, or a person takes over."
    FILE_FETCHED = "file.fetched", "A file that a person sent was fetched from the provider and stored."
    FILE_UPLOADED = (
        "file.uploaded",
        "A file of a message was given to the provider, for this message and those after it.",
    )
    FILES_REMOVED = "files.removed", "Files that outlived HAILGATE_MEDIA_KEPT_DAYS were removed."
    ORPHANS_REMOVED = (
        "files.orphans_removed",
        "Files of uploads that were killed before they were recorded were removed.",
    )
    FILE_NOT_FETCHED = "file.not_fetched", "An attempt to fetch a file failed; it is tried again, or listed as failed."
    TEMPLATES_LISTED = "templates.listed", "The templates of an account were read from its provider."
    TEMPLATES_NOT_LISTED = "templates.not_listed", "The templates of an account could not be read; tried again later."
    CONVERSATION_HANDED_OVER = "conversation.handed_over", "Somebody else answers a conversation from now on."
    PROVIDER_ERROR = "provider.error", "A provider's adapter failed in a way that it does not know."
    HTTP_FAILED = "http.request_failed", "A request ended in an error of our own; its caller saw a 500."
    HTTP_OVERLOADED = "http.overloaded", "Requests were refused because too many were waiting."
    ALARM_RAISED = "alarm.raised", "Something that an operator must know; `code` says what, `subject` of whom."
    ALARM_CLEARED = "alarm.cleared", "The cause of an alarm is gone."
    ALARM_NOT_TOLD = "alarm.not_told", "A notice of an alarm could not be sent out; it is tried again."
    SERVER_STARTED = "server.started", "The HTTP server accepts connections."
    SERVER_UNPROTECTED = (
        "server.unprotected",
        "Passwords, keys and messages cross a network in clear: the address is plain http, and not of this machine.",
    )
    SERVER_STOPPED = "server.stopped", "The HTTP server closed its last connection."
    SERVER_CUT_OFF = (
        "server.cut_off",
        "A stopping process ended in the middle of its work: its store, or a call, held it longer than it may take.",
    )
    BROKER_CONSUMING = "broker.consuming", "This worker reads the broker's queue from now on."
    BROKER_AWAY = "broker.away", "The broker does not answer, or ended a session; it is asked again."
    BROKER_PAUSED = "broker.paused", "The broker's queue is not read, because too many messages wait to be sent."
    TENANT_FETCHED = "tenant.fetched", "The tenant service told who a tenant is and which channels it has."
    TENANT_NOT_FETCHED = "tenant.not_fetched", "The tenant service did not answer as it should; it is asked again."
    LOOP_FAILED = "loop.failed", "Something that nobody waits for ended in an error."
    LIBRARY_LOGGED = "library.logged", "A library logged something; `at` says where in its code."


FACTS: Final = {
    "at": "module and line of the code that logged or failed",
    "attempt": "number of the attempt, from 1",
    "bind": "address and port of a listener",
    "channel": "id of a channel",
    "code": "stable code of an error",
    "conversation": "id of a conversation",
    "count": "how many",
    "duration_s": "seconds it took",
    "error": "type of an exception",
    "hook": "id of a hook",
    "key": "id of an API key",
    "logger": "name of a library's logger",
    "message": "id of a message",
    "method": "HTTP method",
    "note": "a constant sentence of ours or of the HTTP server",
    "other": "id of another worker",
    "outcome": "what it came to",
    "part": "part of the program",
    "process": "id of the process",
    "provider": "name of a provider",
    "provider_code": "the provider's own code of an error",
    "replies": "how many messages the assistant composed",
    "request_id": "id of the HTTP request, as in X-Request-Id",
    "reviewed": "whether the assistant's answer was kept or dropped",
    "route": "the route's pattern, without its values",
    "size": "bytes",
    "state": "state of a session",
    "status": "status of a message, or of an HTTP answer",
    "subject": "what an alarm is about: a kind and an id",
    "tenant": "id of a tenant",
    "tool": "name of a tool of an assistant",
    "turn": "id of a turn",
    "version": "version of the program",
    "worker": "id of a worker",
}
