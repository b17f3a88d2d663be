"""`hailgate demo`: the whole product and a fake WhatsApp, on one machine, with one command."""

import os
from pathlib import Path

import click

from hailgate.commands.bootstrap import open_store
from hailgate.commands.output import json_option

port = click.IntRange(1, 65_535)


@click.command()
@click.option(
    "--port", type=port, metavar="PORT", envvar="HAILGATE_PORT", default=8000, show_default=True, help="Of the product."
)
@click.option(
    "--sim-port",
    type=port,
    metavar="PORT",
    envvar="HAILGATE_SIM_PORT",
    default=8001,
    show_default=True,
    help="Of the phones.",
)
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="HAILGATE_HOME",
    default=".hailgate",
    show_default=True,
    help="Folder of its data.",
)
@json_option
@click.pass_context
def demo(context: click.Context, *, port: int, sim_port: int, home: Path, as_json: bool) -> None:
    """Try the product: phones in a web page, an assistant that answers. Nothing else is needed.

    Starts again on its own data; Ctrl-C ends it.
    """
    from hailgate.commands.demo.layout import Layout
    from hailgate.commands.demo.supervisor import run_demo

    context.exit(run_demo(Layout(home.resolve(), port, sim_port), as_json=as_json))


@click.command("demo-server", hidden=True)
@click.pass_context
def demo_server(context: click.Context) -> None:
    """What `hailgate demo` runs instead of `hailgate serve`: the same, on a database that it prepares by itself."""
    from hailgate.commands.demo.layout import Layout

    layout = Layout.from_environment(os.environ)
    with open_store() as env:
        from hailgate.commands.demo.example import prepare_example
        from hailgate.commands.schema import apply_migrations

        apply_migrations()
        prepare_example(layout)
    from hailgate import asgi

    context.exit(asgi.serve(env, with_worker=True))
