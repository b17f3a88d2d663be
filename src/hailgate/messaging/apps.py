from django.apps import AppConfig

from hailgate.messaging.store.arrays import teach_psycopg
from hailgate.messaging.store.folding import teach_django


class MessagingConfig(AppConfig):
    name = "hailgate.messaging"
    label = "messaging"

    def ready(self) -> None:
        teach_psycopg()
        teach_django()
