"""The pages of the console."""

from django.urls import path
from django.views.generic import RedirectView

from hailgate.console import alarms, choosing, conversations, operations, queue, signing

app_name = "console"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="console:conversations"), name="start"),
    path("sign-in", signing.SignIn.as_view(), name="sign-in"),
    path("sign-in/<str:token>", signing.sign_in_by_link, name="sign-in-by-link"),
    path("sign-out", signing.sign_out, name="sign-out"),
    path("account", signing.account, name="account"),
    path("tenant", signing.choose_tenant, name="tenant"),
    path("conversations", conversations.show_inbox, name="conversations"),
    path("conversations/list", conversations.show_list, name="list"),
    path("conversations/preview", conversations.preview, name="preview"),
    path("conversations/<str:uid>", conversations.show_conversation, name="conversation"),
    path("conversations/<str:uid>/messages", conversations.show_messages, name="messages"),
    path("conversations/<str:uid>/reply", conversations.reply, name="reply"),
    path("conversations/<str:uid>/take-over", conversations.take_over, name="take-over"),
    path("conversations/<str:uid>/give-back", conversations.give_back, name="give-back"),
    path("conversations/<str:uid>/react", conversations.react, name="react"),
    path("conversations/<str:uid>/templates", choosing.list_templates, name="templates"),
    path("conversations/<str:uid>/templates/<str:template>", choosing.show_template, name="template"),
    path("conversations/<str:uid>/templates/<str:template>/preview", choosing.preview, name="template-preview"),
    path("conversations/<str:uid>/templates/<str:template>/send", choosing.send, name="template-send"),
    path("media/<str:uid>", conversations.show_file, name="media"),
    path("messages/<str:uid>/timeline", conversations.show_timeline, name="timeline"),
    path("dead-letters", operations.show_dead_letters, name="dead-letters"),
    path("dead-letters/<str:uid>/change", operations.show_edit, name="show-edit"),
    path("dead-letters/<str:uid>/edit", operations.edit, name="edit"),
    path("dead-letters/revive", operations.revive, name="revive"),
    path("dead-letters/revive-all", operations.revive_matching, name="revive-all"),
    path("events", operations.show_events, name="events"),
    path("events/<str:uid>", operations.show_event, name="event"),
    path("channels", operations.show_channels, name="channels"),
    path("channels/<str:uid>/resume", operations.resume, name="resume"),
    path("alarms", alarms.show_alarms, name="alarms"),
    path("alarms/<str:uid>/clear", alarms.clear, name="clear-alarm"),
    path("channels/<str:uid>/pause", operations.pause, name="pause"),
    path("audit", operations.show_audit, name="audit"),
    path("queue", queue.show_queue, name="queue"),
    path("overview", operations.show_overview, name="overview"),
]
