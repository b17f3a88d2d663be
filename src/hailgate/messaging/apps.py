from django.apps import AppConfig

from hailgate.messaging.store.arrays import teach_psycopg
from hailgate.messaging.store.folding import teach_django
from hailgate.messaging.store.sql import teach_django_the_time


class MessagingConfig(AppConfig):
    name = "hailgate.messaging"
    label = "messaging"

    def ready(self) -> None:
        teach_psycopg()
        teach_django()
        teach_django_the_time()
