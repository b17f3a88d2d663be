"""`python -m hailgate.simulator`: starts the fake WhatsApp and says where it is."""

import argparse
import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path

from hailgate.simulator.model import WINDOW_S, Retries
from hailgate.simulator.server import Server, Settings


def main(arguments: Sequence[str] | None = None) -> None:
    settings = parse_arguments(arguments)
    server = Server(settings)
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(run(server, settings))


async def run(server: Server, settings: Settings) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, server.stop)
    announcing = asyncio.create_task(announce(server, settings))
    await server.serve()
    announcing.cancel()


async def announce(server: Server, settings: Settings) -> None:
    await server.ready.wait()
    print(f"Simulator ready at {settings.public_url or server.url}", flush=True)  # noqa: T201 - its one line


def parse_arguments(arguments: Sequence[str] | None) -> Settings:
    parser = argparse.ArgumentParser("hailgate.simulator", description="A fake WhatsApp for tests and demos.")
    parser.add_argument("--host", default="127.0.0.1", help="it has no password: keep it private")
    parser.add_argument("--port", type=int, default=8001, help="0 takes a free one")
    parser.add_argument("--home", type=Path, required=True, help="folder of its database")
    parser.add_argument("--public-url", help="where people reach the page, if that is another address")
    parser.add_argument("--webhook-retry-first", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--webhook-retry-cap", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--no-window", action="store_true", help="businesses may write at any time")
    given = parser.parse_args(arguments)
    return Settings(
        home=given.home,
        host=given.host,
        port=given.port,
        public_url=given.public_url,
        retries=Retries(min(given.webhook_retry_first, given.webhook_retry_cap), given.webhook_retry_cap),
        window_s=None if given.no_window else WINDOW_S,
    )


if __name__ == "__main__":
    main()
