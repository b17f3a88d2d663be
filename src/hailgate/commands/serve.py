"""`hailgate serve` and `hailgate work`: the program itself."""

import os

import click

from hailgate.commands.bootstrap import open_store
from hailgate.commands.open_home import find_opened, take_from_others
from hailgate.commands.output import print_json, print_note
from hailgate.core.errors import ConfigurationError, StoreUnavailable

fail_option = click.option("--fail-fast", is_flag=True, help="End at once where the database is away.")
held_option = click.option(
    "--held", is_flag=True, help="Take webhooks and calls, but send nothing until `hailgate release`."
)
log_option = click.option("--json", "as_json", is_flag=True, help="Log one JSON object per line, whatever is set.")


@click.command()
@click.option("--no-work", is_flag=True, help="Only the doors; `hailgate work` runs elsewhere.")
@fail_option
@held_option
@log_option
@click.pass_context
def serve(context: click.Context, *, no_work: bool, fail_fast: bool, held: bool, as_json: bool) -> None:
    """Run the product: webhooks, API and a worker, until it is told to stop.

    A database that is away is waited for; until then the process is alive, but not ready.
    """
    _prepare(fail_fast=fail_fast, held=held, as_json=as_json)
    from hailgate import asgi
    from hailgate.settings import ENV

    context.exit(asgi.serve(ENV, with_worker=not no_work))


@click.command()
@fail_option
@held_option
@log_option
@click.pass_context
def work(context: click.Context, *, fail_fast: bool, held: bool, as_json: bool) -> None:
    """Run one more worker beside `hailgate serve`."""
    _prepare(fail_fast=fail_fast, held=held, as_json=as_json)
    from hailgate import asgi
    from hailgate.settings import ENV

    context.exit(asgi.serve_work(ENV))


@click.command()
@click.option("--json", "as_json", is_flag=True)
def release(*, as_json: bool) -> None:
    """Let what was started with --held send again: every process, on every machine."""
    with open_store():
        from hailgate.messaging.store import hold

        released = hold.release()
    if as_json:
        print_json({"released": released})
    else:
        click.echo("Messages leave again." if released else "Nothing was held.")


def _prepare(*, fail_fast: bool, held: bool, as_json: bool) -> None:
    """Raises ConfigurationError for a database that this version cannot work with, or whose keys it does not have.

    Raises StoreUnavailable where the database is away and not to be waited for: the mark of ``held`` is kept there.
    """
    if as_json:
        os.environ["HAILGATE_LOG_FORMAT"] = "json"
    from hailgate.env import find_unknown_names

    try:
        with open_store():
            for unknown in find_unknown_names():
                print_note(f"Warning: {unknown}")
            _warn_of_open_home()
            _check_store()
            if held:
                from hailgate.messaging.store import hold

                hold.hold()
    except StoreUnavailable as away:
        if fail_fast or held:
            raise
        print_note(f"{away.detail} It is waited for.")


def _warn_of_open_home() -> None:
    from hailgate.settings import ENV

    if (opened := find_opened(ENV.home)) is not None:
        print_note(f"Warning: {opened}. {take_from_others(ENV.home)}")


def _check_store() -> None:
    from hailgate.accounts.schema import find_misfit
    from hailgate.accounts.seal import sealer

    if misfit := find_misfit():
        raise ConfigurationError([misfit])
    sealer().digest("")
