"""What an installation is set up with, and the template database that makes the next one quick."""

import asyncio
import hashlib
import hmac
import json
import sys
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .place import Place
from .processes import take_port
from .providers import APP_SECRET, SETUPS, VERIFY_TOKEN
from .stores import PostgresqlStore, SqliteStore, Store

INSIDE = Path(__file__).with_name("inside.py")
PEOPLE = 64
METRICS_TOKEN = "a token for the figures of a run"
CHANNELS = 4


def place(number: int) -> Place:
    return Place(f"channel-{number}", str(15550100000 + number), str(106500000000000 + number))


def person(number: int) -> str:
    return str(15557000000 + number)


class Blueprint:
    """One tenant with a key, a hook, four channels that a person answers, and one that the assistant answers.

    The simulator keeps its port from stand to stand, since the template holds its address.
    """

    app_secret, verify_token = APP_SECRET, VERIFY_TOKEN
    places = tuple(place(number) for number in range(1, CHANNELS + 1))
    assistant = place(99)

    def __init__(self, kind: str, folder: Path, provider: str = "cloud") -> None:
        self.provider, self.setup = provider, SETUPS[provider]
        self._folder = folder / "template"
        self._template: Store = PostgresqlStore() if kind == "postgresql" else SqliteStore(self._folder)
        self.simulator_port = take_port()
        self.key = self.hook = self.hook_id = ""
        self.hooks: dict[str, Mapping[str, str]] = {}

    async def draw(self) -> None:
        """Make the template, through the commands of the product itself."""
        (self._folder / "kept").mkdir(parents=True)
        await self._template.create()
        environment = environment_of(self._folder, self._template.url)
        _, _, key = await run_commands(environment, ["migrate"], ["tenant", "add", "clinic"], ["key", "add"])
        self.key = key["key"]
        await self.add_channels(environment, self.places)
        await self.add_channels(environment, [self.assistant], "--assistant=scripted")

    async def add_channels(self, environment: Mapping[str, str], places: Sequence[Place], *more: str) -> None:
        await self.add_hooks(environment, places)
        channels = (self.render_channel(each, self.hooks[each.name]["id"], *more) for each in places)
        await run_commands(environment, *channels)

    async def add_hooks(self, environment: Mapping[str, str], places: Sequence[Place]) -> None:
        """One for all of them, or one for each."""
        fresh = [each for each in places if each.name not in self.hooks]
        asked = fresh if self.setup.own_hooks else [] if self.hooks else fresh[:1]
        made = await run_commands(environment, *(self.render_hook(each) for each in asked)) if asked else []
        self.hooks |= {each.name: hook for each, hook in zip(asked, made, strict=True)}
        first = next(iter(self.hooks.values()))
        self.hooks |= {each.name: first for each in fresh if each.name not in self.hooks}
        self.hook, self.hook_id = first["path"], first["id"]

    async def build(self, folder: Path) -> Store:
        return await self._template.clone(folder)

    async def keep(self, store: Store) -> None:
        """From now on this is what installations begin with. Nobody is connected to it."""
        old, self._template = self._template, await store.clone(self._folder / "kept")
        await old.drop()

    async def erase(self) -> None:
        await self._template.drop()

    def terms(self, place: Place, web: str) -> dict[str, Any]:
        """The channel as the simulator has to know it."""
        return {
            "provider": self.provider,
            "number": place.number,
            "webhook_url": web + self.hooks.get(place.name, {"path": self.hook})["path"],
            "credentials": self.setup.credentials(place),
        }

    def sign(self, body: bytes) -> dict[str, str]:
        """The headers with which Meta would post `body`."""
        signature = hmac.new(self.app_secret.encode(), body, hashlib.sha256).hexdigest()
        return {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={signature}"}

    def render_channel(self, place: Place, hook_id: str, *more: str) -> list[str]:
        """The command that adds it."""
        settings = {**self.setup.channel(place), "api_url": f"http://127.0.0.1:{self.simulator_port}{self.setup.path}"}
        return [
            "channel", "add", f"--provider={self.provider}", f"--hook={hook_id}", f"--name={place.name}",
            f"--number={place.number}", *_given(settings), *self.setup.options, *more,
        ]  # fmt: skip

    def render_hook(self, place: Place) -> list[str]:
        """The command that adds the hook of this channel."""
        return ["hook", "add", f"--provider={self.provider}", *_given(self.setup.hook(place))]


def _given(settings: Mapping[str, str]) -> list[str]:
    return [f"--set={name}={value}" for name, value in settings.items()]


def environment_of(folder: Path, database_url: str) -> dict[str, str]:
    """Of every process of one installation. Leases are short, so that a frozen worker is found within seconds."""
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "HAILGATE_HOME": str(folder / "home"),
        "HAILGATE_DATABASE_URL": database_url,
        "HAILGATE_SECRET_KEYS": f"faults:{urlsafe_b64encode(bytes(range(32))).decode()}",
        "HAILGATE_METRICS_TOKEN": METRICS_TOKEN,
        "HAILGATE_LEASE_S": "2",
        "HAILGATE_RENEW_S": "0.5",
        "HAILGATE_HOLD_S": "3",
    }


async def run_commands(environment: Mapping[str, str], *commands: Sequence[str]) -> list[Any]:
    """The JSON that each command answers. Raises RuntimeError with what the first failing one said."""
    answers = json.loads(await run_inside(environment, "commands", given=json.dumps(commands)))
    return [json.loads(answer) for answer in answers]


async def run_inside(environment: Mapping[str, str], *arguments: str, given: str = "") -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(INSIDE),
        *arguments,
        env=dict(environment),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate(given.encode())
    if process.returncode:
        raise RuntimeError(errors.decode()[-2000:])
    return output.decode()
