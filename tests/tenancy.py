"""No statement on a tenant's table without its tenant."""

import re
from collections.abc import Callable
from typing import Any

MARK = re.compile(r"/\* every tenant: \S.* \*/")
# These belong to the whole installation: workers, who reads a queue, and what nobody knows the owner of yet.
TABLE = re.compile(r"\bmessaging_(?!(?:worker|queuelease|heldenvelope)\b)[a-z]+\b")
INSERT = re.compile(r"\s*INSERT\s+INTO\s+\S+\s*\(([^)]*)\)", re.IGNORECASE)
CONDITION = re.compile(r"\b(?:WHERE|ON)\b(.*)", re.IGNORECASE | re.DOTALL)


class TenantForgotten(AssertionError):  # noqa: N818 -- it says what happened
    """A statement reaches into the rows of all tenants and does not say why."""


class Tenancy:
    """Watches every statement of every thread while ``enforced``.

    ``accounts_apikey`` is not among the tables: a key is looked up to learn whose it is.
    """

    def __init__(self) -> None:
        self.enforced = False

    def watch(self) -> None:
        from django.db import connection
        from django.db.backends.signals import connection_created

        connection_created.connect(self._adopt, weak=False)
        self._adopt(connection)

    def _adopt(self, connection: Any, **_: Any) -> None:
        if self._execute not in connection.execute_wrappers:
            connection.execute_wrappers.append(self._execute)

    def _execute(self, execute: Callable[..., Any], statement: Any, params: Any, many: bool, context: Any) -> Any:
        if self.enforced:
            check_tenancy(str(statement))
        return execute(statement, params, many, context)


def check_tenancy(statement: str) -> None:
    """Raises TenantForgotten unless the statement names ``tenant_id`` where it counts, or says why it does not."""
    if not TABLE.search(statement) or MARK.search(statement):
        return
    if inserted := INSERT.match(statement):
        place = inserted.group(1)
    else:
        condition = CONDITION.search(statement)
        place = condition.group(1) if condition else ""
    if "tenant_id" not in place:
        raise TenantForgotten(statement)
