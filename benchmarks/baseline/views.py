import hashlib
import hmac
from typing import Any

from django.conf import settings
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from benchmarks.baseline.models import Message
from benchmarks.baseline.tasks import answer


class MessageSerializer(serializers.ModelSerializer):
    class Meta:
        model = Message
        fields = ["provider_id", "sender", "text"]


class Webhook(APIView):
    def post(self, request: Request) -> Response:
        given = request.headers.get("X-Hub-Signature-256", "")
        expected = "sha256=" + hmac.new(settings.APP_SECRET.encode(), request.body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(given, expected):
            return Response(status=401)
        serializer = MessageSerializer(data=_message(request.data))
        serializer.is_valid(raise_exception=True)
        answer.delay(serializer.save().pk)
        return Response(status=200)


def _message(data: dict[str, Any]) -> dict[str, str]:
    message = data["entry"][0]["changes"][0]["value"]["messages"][0]
    return {"provider_id": message["id"], "sender": message["from"], "text": message["text"]["body"]}
