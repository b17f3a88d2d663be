from django.apps import AppConfig

from hailgate.messaging.arrays import teach_psycopg


class MessagingConfig(AppConfig):
    name = "hailgate.messaging"
    label = "messaging"

    def ready(self) -> None:
        teach_psycopg()
