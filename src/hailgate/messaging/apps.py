from django.apps import AppConfig


class MessagingConfig(AppConfig):
    name = "hailgate.messaging"
    label = "messaging"
