import os
from functools import cache
from typing import Any

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.baseline.settings")
app = Celery("baseline")
app.config_from_object("django.conf:settings", namespace="CELERY")

REPLY = "Hello! I am a scripted assistant. Write anything, or 'human' to reach a person."


@app.task
def answer(pk: int) -> str:
    from benchmarks.baseline.models import Message

    message = Message.objects.get(pk=pk)
    sent = _client().messages.create(from_="whatsapp:+15550783881", to=f"whatsapp:+{message.sender}", body=REPLY)
    message.reply_sid, message.status = sent.sid, "sent"
    message.save()
    return str(sent.sid)


@cache
def _client() -> Any:
    """One for each process, with its connection kept, sending to the benchmark's provider."""
    from django.conf import settings
    from twilio.http.http_client import TwilioHttpClient
    from twilio.rest import Client

    class Nearby(TwilioHttpClient):
        def request(self, method: str, url: str, *arguments: Any, **named: Any) -> Any:
            return super().request(
                method, url.replace("https://api.twilio.com", settings.TWILIO_URL), *arguments, **named
            )

    return Client("AC" + "0" * 32, "token", http_client=Nearby())
