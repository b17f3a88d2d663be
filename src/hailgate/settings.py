"""Django's settings, built from the environment. Read only here and in the composition roots."""

import hashlib
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONE, SELF

from hailgate.console.assets import static_url
from hailgate.database import database_settings
from hailgate.env import load_environment

ENV = load_environment()
_BEHIND_TLS = ENV.public_url.startswith("https://")


def _signing_key(sealing_key: str) -> str:
    return hashlib.sha256(b"hailgate cookie signing\0" + sealing_key.encode()).hexdigest()


# The newest signs; what an older one signed holds on, so that a rotation ends no session, cursor or form.
SECRET_KEY, *SECRET_KEY_FALLBACKS = map(_signing_key, ENV.sealing_keys)
DEBUG = False
ALLOWED_HOSTS = ["*"]  # the edge in front checks nothing by host; links are built from PUBLIC_URL alone
ROOT_URLCONF = "hailgate.urls"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("pt-br", "Português do Brasil")]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES: dict[str, dict[str, Any]] = {"default": database_settings(ENV)}
INSTALLED_APPS = [
    "hailgate.accounts",
    "hailgate.messaging",
    "hailgate.console",
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "axes",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "hailgate.console.sign_in.sessions.SessionLimits",
    "django.contrib.messages.middleware.MessageMiddleware",
    "axes.middleware.AxesMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
LOGGING_CONFIG = None
APPEND_SLASH = False
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
STATIC_URL = static_url()

# --- who signs in -----------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.Operator"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = ["hailgate.accounts.passwords.OneLaneArgon2"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "hailgate.accounts.passwords.NotTheFirstGuess"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
]
LOGIN_URL = "console:sign-in"
LOGIN_REDIRECT_URL = "console:start"
LOGOUT_REDIRECT_URL = "console:sign-in"

# A browser sends a `__Host-` cookie back over TLS alone, to this very host.
_PREFIX = "__Host-" if _BEHIND_TLS else ""
SESSION_ENGINE = "hailgate.accounts.session_store"
SESSION_COOKIE_NAME = f"{_PREFIX}hailgate"
SESSION_COOKIE_SECURE = _BEHIND_TLS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = int(ENV.session_s)
ADMIN = ENV.admin
SESSION_IDLE_S = ENV.session_idle_s
MESSAGE_LIFE_S = ENV.message_ttl_s
PUBLIC_URL = ENV.public_url
REACHED_AT = ENV.reached_at
PRIVATE_TARGETS = ENV.private_targets
PROVIDER_HOSTS = frozenset(host.lower() for host in ENV.provider_hosts)
CSRF_COOKIE_NAME = f"{_PREFIX}hailgate-csrf"
CSRF_COOKIE_SECURE = _BEHIND_TLS
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "hailgate.console.errors.refuse_forged"
# Behind a proxy that ends TLS, Django sees http and a browser says https.
CSRF_TRUSTED_ORIGINS = ["{0.scheme}://{0.netloc}".format(urlsplit(ENV.public_url))] if ENV.public_url else []

AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_CALLABLE = "hailgate.console.errors.refuse_locked_out"
AXES_USERNAME_FORM_FIELD = "username"  # as in the sign-in form; by default it looks for the model's own name
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False

CONTENT_SECURITY_POLICY = {
    "EXCLUDE_URL_PREFIXES": ["/v1/"],  # answers of the API have the edge's own, which allows nothing
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],  # basecoat draws its icons in its style sheet
        "media-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    },
}
