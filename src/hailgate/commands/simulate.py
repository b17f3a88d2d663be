"""`hailgate simulate`: a fake WhatsApp to try things with."""

import os
from pathlib import Path

import click

from hailgate.commands.output import json_option, print_json


@click.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    metavar="PORT",
    help="0 takes a free one.",
    envvar="HAILGATE_SIM_PORT",
    default=8001,
    show_default=True,
)
@click.option("--home", type=click.Path(path_type=Path), help="Folder of its database.  [default: HOME/simulator]")
@click.argument("more", nargs=-1, type=click.UNPROCESSED)
@json_option
def simulate(port: int, home: Path | None, more: tuple[str, ...], *, as_json: bool) -> None:
    """Run a fake WhatsApp with phones in a web page. MORE is passed on; see `python -m hailgate.simulator --help`."""
    from hailgate.simulator.__main__ import main

    folder = home or Path(os.environ.get("HAILGATE_HOME", ".hailgate")) / "simulator"
    if as_json:
        print_json({"url": f"http://127.0.0.1:{port}", "home": str(folder)})
    main(["--port", str(port), "--home", str(folder), *more])
