"""A RabbitMQ of a scenario's own: a node with its own name, port and folder, to be killed and started again."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aio_pika

from .case import Case
from .processes import die_with_parent, take_port

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
CONTROL = SERVER.with_name("rabbitmqctl")
# Every second it looks whether a delivery has been in hand for too long; by itself it does so once a minute.
ADVANCED = "[{rabbit, [{channel_tick_interval, 1000}]}].\n"
STARTS_WITHIN_S = 90.0
LOOK_S = 1.0


def broker_is_installed() -> bool:
    return SERVER.exists()


class BrokerNode:
    """Durable, on disk; nothing else on this machine knows it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "broker"
        self.port, self._dist_port = take_port(), take_port()
        self._name = f"hailgate-{os.getpid()}-{self.port}@localhost"
        self._running: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    @property
    def logs(self) -> Path:
        return self._folder / "log"

    async def start(self, **settings: str) -> None:
        self._folder.mkdir(exist_ok=True)
        (self._folder / "rabbitmq.conf").write_text(
            "".join(f"{name} = {value}\n" for name, value in self._config(settings).items()), encoding="utf-8"
        )
        (self._folder / "advanced.config").write_text(ADVANCED, encoding="ascii")
        with (self._folder / "out.log").open("ab") as log:
            self._running = await asyncio.create_subprocess_exec(
                str(SERVER), env=self._environment(), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self._folder, start_new_session=True, preexec_fn=die_with_parent,
            )  # fmt: skip

    async def ready(self) -> None:
        deadline = time.monotonic() + STARTS_WITHIN_S
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                connection = await aio_pika.connect(self.url, timeout=5)
                await connection.close()
            except Exception:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(LOOK_S)
            else:
                return

    async def kill(self) -> None:
        """SIGKILL to all of it: the script and the virtual machine that it runs."""
        if self._running is not None and self._running.returncode is None:
            os.killpg(self._running.pid, signal.SIGKILL)
            await self._running.wait()

    async def control(self, *command: str) -> str:
        """What `rabbitmqctl` says to it. Raises RuntimeError where it refuses."""
        asked = await asyncio.create_subprocess_exec(
            str(CONTROL), "--quiet", "-n", self._name, *command, env=self._environment(),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, complained = await asked.communicate()
        if asked.returncode:
            raise RuntimeError(f"rabbitmqctl {command[0]}: {complained.decode()[-500:]}")
        return said.decode()

    def _config(self, settings: Mapping[str, str]) -> dict[str, str]:
        return {
            "listeners.tcp.1": f"127.0.0.1:{self.port}",
            "log.console": "false",
            **{name.replace("__", "."): value for name, value in settings.items()},
        }

    def _environment(self) -> dict[str, str]:
        folder = str(self._folder)
        return {
            "PATH": "/usr/lib/rabbitmq/bin:/usr/bin:/bin",
            "HOME": folder,
            "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": self._name,
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{folder}/advanced.config",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_MNESIA_BASE": f"{folder}/data",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }


@asynccontextmanager
async def open_node(case: Case, **settings: str) -> AsyncIterator[BrokerNode | None]:
    """A broker that this installation is set up with; None, said loudly, where RabbitMQ is not installed."""
    if not broker_is_installed():
        case.skip("RabbitMQ is not installed")
        yield None
        return
    node = BrokerNode(case.stand.folder)
    await node.start(**settings)
    try:
        await node.ready()
        case.stand.environment |= {"HAILGATE_RABBITMQ_URL": node.url}
        yield node
    finally:
        await node.kill()
