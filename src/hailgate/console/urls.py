"""The pages of the console."""

from django.urls import path
from django.views.generic import RedirectView

from hailgate.console import pattern_picker, template_picker
from hailgate.console.assistants import views as assistants
from hailgate.console.inbox import views as inbox
from hailgate.console.operations import alarms, pairing, queue
from hailgate.console.operations import views as operations
from hailgate.console.people import views as people
from hailgate.console.setup import channels as channel_setup
from hailgate.console.setup import steps, team
from hailgate.console.sign_in import views as sign_in

app_name = "console"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="console:conversations"), name="start"),
    path("sign-in", sign_in.SignIn.as_view(), name="sign-in"),
    path("sign-in/<str:token>", sign_in.sign_in_by_link, name="sign-in-by-link"),
    path("sign-out", sign_in.sign_out, name="sign-out"),
    path("account", sign_in.account, name="account"),
    path("tenant", sign_in.choose_tenant, name="tenant"),
    path("conversations", inbox.show_inbox, name="conversations"),
    path("conversations/list", inbox.show_list, name="list"),
    path("conversations/preview", inbox.preview, name="preview"),
    path("conversations/<str:uid>", inbox.show_conversation, name="conversation"),
    path("conversations/<str:uid>/messages", inbox.show_messages, name="messages"),
    path("conversations/<str:uid>/reply", inbox.reply, name="reply"),
    path("conversations/<str:uid>/take-over", inbox.take_over, name="take-over"),
    path("conversations/<str:uid>/give-back", inbox.give_back, name="give-back"),
    path("conversations/<str:uid>/react", inbox.react, name="react"),
    path("conversations/<str:uid>/templates", template_picker.list_templates, name="templates"),
    path("conversations/<str:uid>/templates/<str:template>", template_picker.show_template, name="template"),
    path("conversations/<str:uid>/templates/<str:template>/preview", template_picker.preview, name="template-preview"),
    path("conversations/<str:uid>/templates/<str:template>/send", template_picker.send, name="template-send"),
    path("conversations/<str:uid>/patterns", pattern_picker.choose_pattern, name="patterns-choose"),
    path("conversations/<str:uid>/patterns/<str:place>", pattern_picker.show_pattern, name="pattern"),
    path("conversations/<str:uid>/patterns/<str:place>/insert", pattern_picker.insert_pattern, name="pattern-insert"),
    path("patterns", pattern_picker.show_patterns, name="patterns"),
    path("patterns/change", pattern_picker.change_pattern, name="pattern-change"),
    path("media/<str:uid>", inbox.show_file, name="media"),
    path("messages/<str:uid>/cancel", inbox.cancel, name="cancel"),
    path("messages/<str:uid>/why", inbox.show_why, name="why"),
    path("messages/<str:uid>/timeline", inbox.show_timeline, name="timeline"),
    path("dead-letters", operations.show_dead_letters, name="dead-letters"),
    path("dead-letters/<str:uid>/change", operations.show_edit, name="show-edit"),
    path("dead-letters/<str:uid>/edit", operations.edit, name="edit"),
    path("dead-letters/dismiss", operations.dismiss, name="dismiss"),
    path("dead-letters/<str:uid>/settle", operations.settle, name="settle"),
    path("dead-letters/revive", operations.revive, name="revive"),
    path("dead-letters/revive-all", operations.revive_matching, name="revive-all"),
    path("events", operations.show_events, name="events"),
    path("events/<str:uid>", operations.show_event, name="event"),
    path("channels", operations.show_channels, name="channels"),
    path("channels/new", channel_setup.choose_provider, name="channel-choose"),
    path("channels/new/<str:provider>", channel_setup.add, name="channel-new"),
    path("channels/<str:uid>/setup", steps.show_setup, name="channel-setup"),
    path("channels/<str:uid>/address", steps.reveal, name="channel-reveal"),
    path("channels/<str:uid>/check", steps.check, name="channel-check"),
    path("channels/<str:uid>/edit", channel_setup.edit, name="channel-edit"),
    path("channels/<str:uid>/remove", channel_setup.remove, name="channel-remove"),
    path("team", team.show_team, name="team"),
    path("team/<str:uid>", team.change_colleague, name="team-change"),
    path("keys", team.show_keys, name="keys"),
    path("keys/<slug:prefix>/revoke", team.revoke, name="key-revoke"),
    path("channels/<str:uid>/resume", operations.resume, name="resume"),
    path("channels/<str:uid>/session", pairing.show_session, name="session"),
    path("channels/<str:uid>/session/part", pairing.refresh, name="session-refresh"),
    path("channels/<str:uid>/session/wish", pairing.wish, name="session-wish"),
    path("channels/<str:uid>/session/confirm", pairing.confirm, name="session-confirm"),
    path("alarms", alarms.show_alarms, name="alarms"),
    path("alarms/<str:uid>/clear", alarms.clear, name="clear-alarm"),
    path("channels/<str:uid>/pause", operations.pause, name="pause"),
    path("assistants", assistants.show_assistants, name="assistants"),
    path("assistants/stop", assistants.stop, name="assistants-stop"),
    path("assistants/resume", assistants.resume, name="assistants-resume"),
    path("assistants/budget", assistants.change_budget, name="budget"),
    path("assistants/of/<slug:name>", assistants.show_assistant, name="assistant"),
    path("assistants/of/<slug:name>/draft", assistants.draft, name="assistant-draft"),
    path("assistants/of/<slug:name>/publish", assistants.publish, name="assistant-publish"),
    path("assistants/of/<slug:name>/switch", assistants.switch, name="assistant-switch"),
    path("assistants/of/<slug:name>/try", assistants.try_it, name="assistant-try"),
    path("audit", operations.show_audit, name="audit"),
    path("people", people.show_people, name="people"),
    path("people/join", people.join_contacts, name="join-contacts"),
    path("people/<str:uid>/join", people.join, name="join"),
    path("people/<str:uid>/dismiss", people.dismiss, name="dismiss-join"),
    path("people/<str:uid>/undo", people.undo, name="undo-join"),
    path("conversations/<str:uid>/person", people.pick, name="pick-person"),
    path("conversations/<str:uid>/consent", people.show_consent, name="consent"),
    path("conversations/<str:uid>/consent/choose", people.choose, name="choose-consent"),
    path("conversations/<str:uid>/name", people.name, name="name-person"),
    path("queue", queue.show_queue, name="queue"),
    path("overview", operations.show_overview, name="overview"),
]
