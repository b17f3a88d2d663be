from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "hailgate.accounts"
    label = "accounts"
