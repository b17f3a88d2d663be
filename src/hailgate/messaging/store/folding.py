"""Search without accents and capitals, alike on both databases: `name__folded__contains=fold(words)`."""

import unicodedata
from typing import Any, Final

from django.db.backends.signals import connection_created
from django.db.models import TextField, Transform

# Letters of their own right that a keyboard without them spells so.
_PLAIN: Final = ("øłđı", "oldi")
_TRANSLATED: Final = str.maketrans(*_PLAIN)


def fold(text: str) -> str:
    """As `Folded` gives it in the database."""
    parts = unicodedata.normalize("NFKD", text)
    return "".join(part for part in parts if not "\u0300" <= part <= "\u036f").lower().translate(_TRANSLATED)


class Folded(Transform):
    """PostgreSQL does it by what it has; an extension would need rights that not every installation gives."""

    lookup_name = "folded"
    output_field = TextField()

    def as_postgresql(self, compiler: Any, connection: Any) -> Any:
        plain = r"lower(regexp_replace(normalize(%(expressions)s, NFKD), '[\u0300-\u036f]', '', 'g'))"
        template = f"translate({plain}, '{_PLAIN[0]}', '{_PLAIN[1]}')"
        return self.as_sql(compiler, connection, template=template)

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> Any:
        return self.as_sql(compiler, connection, template="hailgate_fold(%(expressions)s)")


def teach_django() -> None:
    """SQLite is given the function with each connection, as Django's documentation says."""
    TextField.register_lookup(Folded)
    connection_created.connect(_teach_sqlite, dispatch_uid="hailgate_fold")


def _teach_sqlite(connection: Any, **_: Any) -> None:
    if connection.vendor == "sqlite":
        connection.connection.create_function("hailgate_fold", 1, fold, deterministic=True)
