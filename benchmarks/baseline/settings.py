import os
from urllib.parse import urlsplit

_database = urlsplit(os.environ["BASELINE_DATABASE_URL"])

SECRET_KEY = "only on this machine, only while it is measured"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["rest_framework", "benchmarks.baseline"]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "benchmarks.baseline.urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _database.path.lstrip("/"),
        "USER": _database.username,
        "HOST": _database.hostname,
        "PORT": _database.port,
        "CONN_MAX_AGE": 60,
    }
}
REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None, "DEFAULT_AUTHENTICATION_CLASSES": [], "DEFAULT_PERMISSION_CLASSES": []}

CELERY_BROKER_URL = CELERY_RESULT_BACKEND = os.environ["BASELINE_REDIS_URL"]
CELERY_TASK_ACKS_LATE = True

APP_SECRET = os.environ["BASELINE_APP_SECRET"]
TWILIO_URL = os.environ["BASELINE_TWILIO_URL"]
