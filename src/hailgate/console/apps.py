from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "hailgate.console"
    label = "console"
