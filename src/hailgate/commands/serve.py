"""`hailgate serve` and `hailgate work`: the program itself."""

import os

import click

from hailgate.commands.store import open_store
from hailgate.core.errors import ConfigurationError

log_option = click.option("--json", "as_json", is_flag=True, help="Log one JSON object per line, whatever is set.")


@click.command()
@click.option("--no-work", is_flag=True, help="Only the doors; `hailgate work` runs elsewhere.")
@log_option
@click.pass_context
def serve(context: click.Context, *, no_work: bool, as_json: bool) -> None:
    """Run the product: webhooks, API and a worker, until it is told to stop."""
    _prepare(as_json=as_json)
    from hailgate import asgi
    from hailgate.settings import ENV

    context.exit(asgi.serve(ENV, with_worker=not no_work))


@click.command()
@log_option
@click.pass_context
def work(context: click.Context, *, as_json: bool) -> None:
    """Run one more worker beside `hailgate serve`."""
    _prepare(as_json=as_json)
    from hailgate import asgi
    from hailgate.settings import ENV

    context.exit(asgi.serve_work(ENV))


def _prepare(*, as_json: bool) -> None:
    """Raises ConfigurationError for a database that this version cannot work with."""
    if as_json:
        os.environ["HAILGATE_LOG_FORMAT"] = "json"
    with open_store():
        from hailgate.commands.schema import pending_migrations

        if pending := pending_migrations():
            raise ConfigurationError([f"The database lacks {len(pending)} migrations: run `hailgate migrate`."])
