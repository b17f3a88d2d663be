"""The environment as one frozen, validated object.

Every value comes from ``HAILGATE_*`` variables, from ``.env`` in the working directory, or, for secrets, from the
file named by the ``*_FILE`` variant. All faults are listed at once, as sentences that say what to do.
"""

import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cached_property
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import quote, urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from hailgate.core.errors import ConfigurationError
from hailgate.core.urls import find_parts, is_loopback
from hailgate.key_file import KEYS_FILE, read_or_make_keys

PREFIX = "HAILGATE_"
SECRET_FIELDS = (
    "database_url", "database_direct_url", "redis_url",
    "rabbitmq_url", "tenant_service_token", "secret_keys", "metrics_token", "alarm_urls",
)  # fmt: skip
VHOST: Final = "/whatsapp"
SAMPLE_SECRETS = frozenset({"change-me", "changeme", "secret", "example", "your-secret-key"})
# Read by the demo, the simulator, the tests and a container's entry point.
OTHERS = ("HAILGATE_PORT", "HAILGATE_SIM", "HAILGATE_TEST_", "HAILGATE_OPENAPI_DIR", "HAILGATE_MIGRATE")
NO_KEYS = (
    "HAILGATE_SECRET_KEYS is not set: on PostgreSQL every process needs the same keys; "
    "make one with `hailgate key seal` and give it to all of them"
)


Seconds = Annotated[float, Field(gt=0)]


class Environment(BaseSettings):
    """Settings of one process. Durations are seconds, sizes are bytes."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    home: Path = Field(
        Path(".hailgate"),
        description="Folder for the SQLite database, files of messages, generated keys and lock files.",
    )
    database_url: SecretStr | None = Field(
        None,
        description="sqlite:///path or postgresql://user:password@host:5432/name. Default: SQLite in HOME.",
    )
    database_direct_url: SecretStr | None = Field(
        None,
        description="The same PostgreSQL database past a pooler such as PgBouncer, for LISTEN and migrations. "
        "Set it where DATABASE_URL leads through one.",
    )
    prepare: bool = Field(
        default=True,
        description="Whether statements are prepared at the database. PgBouncer before 1.21 in transaction mode "
        "cannot keep them: no.",
    )
    redis_url: SecretStr | None = Field(
        None,
        description="redis://host:6379/0. Optional: limits, caches and live updates are then those of all "
        "processes together. Needs the extra `redis`.",
    )
    rabbitmq_url: SecretStr | None = Field(
        None,
        description="amqp://user:password@host:5672/vhost of a broker whose queue is read and that is told what became "
        "of each message. Optional; RABBITMQ_HOST, _PORT, _USER, _PASSWORD and _VHOST (default /whatsapp) do as well. "
        "Needs the extra `rabbitmq`.",
    )
    rabbitmq_queue: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        "outbound-processed", description="The queue of messages to send. What is given up goes to it with .dlq behind."
    )
    rabbitmq_exchange: str = Field(
        "hailgate.events",
        description="The topic exchange that is told of statuses and inbound messages; empty: none is.",
        max_length=200,
    )
    rabbitmq_unrouted: Literal["wait", "drop"] = Field(
        "wait", description="What becomes of an event that no queue takes: it waits and raises an alarm, or is dropped."
    )
    rabbitmq_prefetch: Annotated[int, Field(ge=1, le=10_000)] = Field(
        200, description="How many messages of the queue are in hand at once, not acknowledged yet."
    )
    queue_limit: Annotated[int, Field(ge=1)] = Field(
        10_000, description="The broker's queue is not read while more messages than this wait to be sent."
    )
    tenant_service_url: str = Field(
        "",
        description="An external service that knows the tenants of the queue's messages and their credentials. "
        "Optional; TENANT_SERVICE_URL does as well. Empty: the tenants of this installation.",
    )
    tenant_service_path: str = Field(
        "/tenants/{id}", description="Where a tenant is found below TENANT_SERVICE_URL; {id} is what messages call it."
    )
    tenant_service_token: SecretStr | None = Field(
        None, description="Bearer token for the tenant service. TENANT_SERVICE_TOKEN does as well."
    )
    secret_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        description="Keys that seal secrets, newest first, comma separated, each id:base64url of 32 bytes "
        "(`hailgate key seal` prints one). On SQLite one is made in HOME on first use.",
    )
    public_url: str = Field("", description="https://… under which providers reach this installation.")
    bind: str = Field("127.0.0.1:8000", description="Address and port of `hailgate serve`.")
    work_bind: str = Field("", description="Address and port for probes and metrics of `hailgate work`; empty: none.")
    metrics_token: SecretStr | None = Field(
        None, description="Bearer token for /metrics. Without one, /metrics answers only on a loopback bind."
    )
    alarm_urls: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        description="Who is told of alarms, separated by spaces, as apprise writes it: mailtos://user:password@host, "
        "slack://… and a hundred others. Needs the extra `alarms`.",
    )
    provider_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Hosts (name or name:port), separated by spaces, at which channels set up in the console may reach "
        "their provider although they lie inside: servers of your own.",
    )
    private_targets: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Addresses inside (host:port, with blanks between them) at which assistants may ask a model server "
        "of your own, such as Ollama. Without them only public addresses are asked.",
    )
    traces_url: str = Field(
        "",
        description="Where traces go: an OTLP collector over HTTP, such as http://127.0.0.1:4318/v1/traces. "
        "Empty: none. Needs the extra `otel`.",
    )
    seal_content: bool = Field(
        default=False, description="Also seal message text, raw webhook bodies, names and addresses at rest."
    )
    media_url: str = Field(
        "",
        description="Where files lie: s3://bucket/folder, gs://… or az://…, with the credentials that their own tools "
        "read (AWS_ACCESS_KEY_ID, AWS_ENDPOINT, …). Default: the folder media in HOME. Always sealed.",
    )
    media_kept_days: Annotated[int, Field(ge=0, le=36_500)] = Field(
        365,
        description="Files, and what people deleted or corrected, are removed when they are older. 0: kept for ever.",
    )
    spool: Literal["needed", "always", "never"] = Field(
        "needed",
        description="Whose webhooks are kept on disk and answered with 200 while the database is away: of providers "
        "that do not repeat them (needed), of all (always), of none (never).",
    )
    spool_folder: Path | None = Field(
        None, description="Where they are kept: a disk other than the database's. Default: the folder spool in HOME."
    )
    spool_bytes: Annotated[int, Field(ge=1 << 20)] = Field(
        256 << 20, description="How much of them one process keeps, in bytes; what is more is answered with 503."
    )
    backup_recipients: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Public keys of age (age1…), separated by blanks: who has the identity of one can open backups. "
        "`hailgate backup key` makes a pair.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["json", "text"] = Field("json", description="json for machines, text for people.")

    admin: bool = Field(default=True, description="Whether the installation's owner finds Django's admin at /admin/.")
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Addresses or networks of proxies, comma separated, whose X-Forwarded-For is believed; with none, "
        "everybody behind a proxy is one source.",
    )
    source_rate: Annotated[int, Field(ge=1)] = Field(
        60, description="Requests a minute from one address that are made without a key or session, or with a bad one."
    )
    sign_in_rate: Annotated[int, Field(ge=1)] = Field(
        10, description="Attempts to sign in a minute from one address, before the password is looked at."
    )
    web_threads: Annotated[int, Field(ge=1, le=64)] = Field(4, description="Threads for the management API.")
    database_threads: Annotated[int, Field(ge=1, le=32)] = Field(
        4, description="Threads that write to PostgreSQL. SQLite always has one."
    )
    session_idle_s: Seconds = Field(900.0, description="An operator who does nothing for so long is signed out.")
    session_s: Seconds = Field(43_200.0, description="An operator signs in again after so long, whatever they did.")
    send_concurrency: Annotated[int, Field(ge=1, le=10_000)] = Field(
        512, description="Sends in flight at once in one worker process."
    )
    lease_s: Seconds = Field(15.0, description="How long a worker may work without renewing its lease.")
    renew_s: Seconds = Field(5.0, description="How often a worker renews its lease.")
    poll_s: Seconds = Field(1.0, description="How often a worker looks for work that nobody told it about.")
    # Two minutes of looks prove that a provider does not have a message: sent again, it is still before its followers.
    hold_s: Seconds = Field(150.0, description="How long a message with an unknown outcome holds its conversation.")
    message_ttl_s: Seconds = Field(86_400.0, description="Life time of a message that names no expires_at.")
    retry_base_s: Seconds = Field(2.0, description="Base of the exponential backoff between attempts.")
    max_attempts: Annotated[int, Field(ge=1, le=100)] = Field(
        8, description="Attempts that blame the message before it is dead; trouble of its provider is ridden out."
    )
    keep_events_s: Seconds = Field(
        2_592_000.0, description="How long webhooks are kept as they came, once understood: 30 days."
    )
    keep_attempts_s: Seconds = Field(
        7_776_000.0, description="How long attempts are kept of messages that are through: 90 days."
    )
    keep_alarms_s: Seconds = Field(7_776_000.0, description="How long alarms are kept that are over: 90 days.")
    keep_audit_s: Seconds = Field(31_536_000.0, description="How long the audit log is kept: a year.")
    debounce_s: Annotated[float, Field(ge=0)] = Field(
        1.5, description="How long the assistant waits after a person's last message."
    )
    answer_within_s: Seconds = Field(
        14_400.0,
        description="What a person wrote longer ago the assistant leaves to people: 4 hours, since by then they have "
        "found another way, and what they asked may not hold any more.",
    )
    debounce_max_s: Annotated[float, Field(ge=0)] = Field(8.0, description="Longest wait after the first of them.")
    drain_s: Seconds = Field(25.0, description="How long a stopping process waits for what is under way.")
    connect_timeout_s: Seconds = Field(5.0, description="Time-out to connect to a provider.")
    send_timeout_s: Seconds = Field(20.0, description="Time-out of a whole call to a provider.")
    demo: bool = Field(default=False, description="Set by `hailgate demo`; allows sample secrets.")

    @field_validator("alarm_urls", "backup_recipients", "private_targets", "provider_hosts", mode="before")
    @classmethod
    def _split_urls(cls, value: Any) -> Any:
        return tuple(value.split()) if isinstance(value, str) else value

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split_proxies(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            try:
                ip_network(each, strict=False)
            except ValueError:
                raise ValueError("must hold addresses and networks such as 10.0.0.0/8, comma separated") from None
        return value

    @field_validator("secret_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("public_url", "traces_url", "tenant_service_url")
    @classmethod
    def _check_public_url(cls, value: str) -> str:
        if value and _scheme_of(value) not in {"http", "https"}:
            raise ValueError("must begin with https:// (or http:// for a trial)")
        return value.rstrip("/")

    @field_validator("rabbitmq_url")
    @classmethod
    def _check_rabbitmq_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value and urlsplit(value.get_secret_value()).scheme not in {"amqp", "amqps"}:
            raise ValueError("must begin with amqp:// or amqps://")
        return value

    @field_validator("tenant_service_path")
    @classmethod
    def _check_tenant_path(cls, value: str) -> str:
        if not value.startswith("/") or "{id}" not in value:
            raise ValueError("must begin with / and hold {id}")
        return value

    @field_validator("media_url")
    @classmethod
    def _check_media_url(cls, value: str) -> str:
        if value and _scheme_of(value) not in {"s3", "gs", "az"}:
            raise ValueError("must begin with s3://, gs:// or az://, or be empty for the local disk")
        return value.rstrip("/")

    @field_validator("bind", "work_bind")
    @classmethod
    def _check_bind(cls, value: str) -> str:
        if value:
            host, _, port = value.rpartition(":")
            if not host or not port.isdecimal() or int(port) > 65_535:
                raise ValueError("must be address:port, for example 127.0.0.1:8000")
        return value

    @field_validator("database_url", "database_direct_url")
    @classmethod
    def _check_database_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        url = value.get_secret_value()
        if not url.startswith(("sqlite:///", "postgresql://", "postgres://")):
            raise ValueError("must begin with sqlite:/// or postgresql://")
        if find_parts(url) is None:
            raise ValueError("must be a URL such as postgresql://user:password@host:5432/name")
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        faults = []
        if self.renew_s * 2 > self.lease_s:
            faults.append(
                "HAILGATE_RENEW_S must be at most half of HAILGATE_LEASE_S, or one late renewal ends a worker"
            )
        if self.debounce_s > self.debounce_max_s:
            faults.append("HAILGATE_DEBOUNCE_S must not be above HAILGATE_DEBOUNCE_MAX_S")
        if not self.demo and any(_is_sample(key.get_secret_value()) for key in self.secret_keys):
            faults.append("HAILGATE_SECRET_KEYS holds a sample value; make a key with `hailgate key seal`")
        if faults:
            raise ValueError("\n".join(faults))
        return self

    @property
    def database(self) -> str:
        return self.database_url.get_secret_value() if self.database_url else f"sqlite:///{self.home / 'hailgate.db'}"

    @property
    def direct(self) -> str | None:
        """Where the database is reached past a pooler; None where there is none between."""
        return self.database_direct_url.get_secret_value() if self.database_direct_url else None

    @property
    def rabbitmq(self) -> str | None:
        return self.rabbitmq_url.get_secret_value() if self.rabbitmq_url else None

    @property
    def over_tls(self) -> bool:
        return self.public_url.startswith("https://")

    @property
    def in_clear(self) -> bool:
        """Whether passwords, keys and messages cross a network as they are."""
        return not self.over_tls and (bool(self.public_url) or not is_loopback(self.bind))

    @property
    def spool_path(self) -> Path:
        return self.spool_folder or self.home / "spool"

    def spools(self, *, repeats: bool) -> bool:
        """Whether webhooks of a provider that repeats them, or of one that does not, may wait on disk."""
        return self.spool == "always" or (self.spool == "needed" and not repeats)

    @property
    def on_sqlite(self) -> bool:
        return self.database.startswith("sqlite")

    @cached_property
    def sealing_keys(self) -> tuple[str, ...]:
        """Key strings, newest first. Raises ConfigurationError where none is set and none may be made."""
        if self.secret_keys:
            return tuple(key.get_secret_value() for key in self.secret_keys)
        path = self.home / KEYS_FILE
        if not path.exists() and not self.on_sqlite:
            raise ConfigurationError([NO_KEYS])
        return read_or_make_keys(path)

    @property
    def reached_at(self) -> str:
        """Where this installation is reached: from outside if that is known, else from this machine."""
        if self.public_url:
            return self.public_url
        host, port = self.host_and_port
        return f"http://{_ANYWHERE.get(host, f'[{host}]' if ':' in host else host)}:{port}"

    @property
    def host_and_port(self) -> tuple[str, int]:
        return split_bind(self.bind)


# Where a bind to everywhere is reached from here.
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104


def split_bind(bind: str) -> tuple[str, int]:
    host, _, port = bind.rpartition(":")
    return host.strip("[]"), int(port)


def load_environment(**overrides: Any) -> Environment:
    """Read the environment, ``.env`` and secret files. Raises ConfigurationError with every fault at once."""
    given, faults = _read_secret_files(os.environ)
    given = _read_known_names() | given
    try:
        environment = Environment(**{**given, **overrides})
    except ValidationError as invalid:
        faults += [line for fault in invalid.errors() for line in _sentence(fault).splitlines()]
    if faults:
        raise ConfigurationError(faults)
    return environment


def find_unknown_names() -> list[str]:
    """A sentence for each HAILGATE_ variable, of the environment or `.env`, that is no setting."""
    known = {f"{PREFIX}{field.upper()}" for field in Environment.model_fields}
    known |= {f"{PREFIX}{field.upper()}_FILE" for field in SECRET_FIELDS}
    given = {name.upper() for name in [*os.environ, *dotenv_values(".env")] if name.upper().startswith(PREFIX)}
    unknown = (name for name in given - known if not name.startswith(OTHERS))
    return [_unknown(name, known) for name in sorted(unknown)]


def _unknown(name: str, known: Iterable[str]) -> str:
    nearest = get_close_matches(name, sorted(known), n=1, cutoff=0.7)
    return f"{name} is no setting{f'; is {nearest[0]} meant?' if nearest else '.'}"


def _read_secret_files(environ: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """What they hold, by field; and what is wrong with them. One that says nothing was meant to say something."""
    values: dict[str, Any] = {}
    faults = []
    for field in SECRET_FIELDS:
        name = f"{PREFIX}{field.upper()}_FILE"
        if not (path := environ.get(name)):
            continue
        try:
            if secret := Path(path).read_text(encoding="utf-8").strip():
                values[field] = secret
            else:
                faults.append(f"{name} names an empty file")
        except OSError as unreadable:
            faults.append(f"{name} cannot be read: {unreadable.strerror}")
        except UnicodeDecodeError:
            faults.append(f"{name} names a file that is not text")
    return values, faults


def _read_known_names() -> dict[str, Any]:
    """Settings under the names that other systems use, from the environment or ``.env``, where ours are not set."""
    known = {name: value for name, value in dotenv_values(".env").items() if value} | os.environ
    found: dict[str, Any] = {
        name.lower(): known[name]
        for name in ("TENANT_SERVICE_URL", "TENANT_SERVICE_TOKEN")
        if known.get(name) and not known.get(f"{PREFIX}{name}")
    }
    if (host := known.get("RABBITMQ_HOST")) and not known.get(f"{PREFIX}RABBITMQ_URL"):
        user, password = (quote(known.get(f"RABBITMQ_{name}") or "guest", safe="") for name in ("USER", "PASSWORD"))
        vhost = quote(known.get("RABBITMQ_VHOST") or VHOST, safe="")
        found["rabbitmq_url"] = f"amqp://{user}:{password}@{host}:{known.get('RABBITMQ_PORT') or 5672}/{vhost}"
    return found


def _sentence(fault: Mapping[str, Any]) -> str:
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{PREFIX}{str(fault['loc'][0]).upper()} {message}" if fault["loc"] else message


def _scheme_of(url: str) -> str:
    parts = find_parts(url)
    return parts.scheme if parts else ""


def _is_sample(key: str) -> bool:
    return key.lower() in SAMPLE_SECRETS or key.partition(":")[2].lower() in SAMPLE_SECRETS
