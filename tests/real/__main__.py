"""`make real CONFIG=trial.toml`: ends with 1 where something that was tried did not hold."""

import argparse
import asyncio
import os
import secrets
import sys
import tempfile
from base64 import urlsafe_b64encode
from pathlib import Path

import aiohttp
from tests.faults.blueprint import run_commands
from tests.faults.processes import Process

from .plan import Plan, Server, read_plan
from .trial import Trial, line_of


def main() -> None:
    parser = argparse.ArgumentParser(prog="make real CONFIG=", description=__doc__)
    parser.add_argument("config", type=Path)
    try:
        plan = read_plan(parser.parse_args().config)
    except (OSError, ValueError) as fault:
        sys.exit(str(fault))
    with tempfile.TemporaryDirectory(prefix="hailgate-real-") as folder:
        held = asyncio.run(try_all(plan, Path(folder)))
    sys.exit(0 if held else 1)


async def try_all(plan: Plan, folder: Path) -> bool:
    """An installation of its own, which nothing is left of afterwards but what the servers keep."""
    environment = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "HAILGATE_HOME": str(folder),
        "HAILGATE_SECRET_KEYS": f"real:{urlsafe_b64encode(secrets.token_bytes(32)).decode()}",
        "HAILGATE_PUBLIC_URL": plan.public_url,
        "HAILGATE_BIND": plan.bind,
    }
    _, _, key = await run_commands(environment, ["migrate"], ["tenant", "add", "trial"], ["key", "add"])
    channels = [await add_channel(environment, place, server) for place, server in enumerate(plan.server, 1)]
    web = f"http://127.0.0.1:{plan.bind.rpartition(':')[2]}"
    product = Process("product", ["-m", "hailgate", "serve"], environment, folder, f"{web}/readyz")
    await product.start()
    held = True
    try:
        await product.ready()
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key['key']}"}) as session:
            for server, channel in zip(plan.server, channels, strict=True):
                async for step in Trial(server, session, web, channel, plan.patience_s).run():
                    print(line_of(server.provider, step), flush=True)
                    held = held and step.held is not False  # what could not be tried is said, and is no fault
    finally:
        await product.stop()
    return held


async def add_channel(environment: dict[str, str], place: int, server: Server) -> str:
    settings = [f"--set={name}={value}" for name, value in server.hook.items()]
    [hook] = await run_commands(environment, ["hook", "add", f"--provider={server.provider}", *settings])
    settings = [f"--set={name}={value}" for name, value in server.channel.items()]
    named = [f"--name={server.provider}-{place}", *([f"--number={server.number}"] if server.number else [])]
    added = ["channel", "add", f"--provider={server.provider}", f"--hook={hook['id']}", *named, *settings]
    [channel] = await run_commands(environment, added)
    return str(channel["id"])


if __name__ == "__main__":
    main()
