"""The manifest of a backup: what is in it, counted and hashed while it was written.

It is the last entry of the stream, and lies beside the file as well, with the hash of the file itself.
"""

from msgspec import Struct, field

FORMAT = 1


class TableContent(Struct, frozen=True):
    """``sha256`` is of the rows as they are written, in the order of their keys."""

    rows: int
    sha256: str


class Head(Struct, frozen=True):
    """What stands first: the version that wrote the backup, and the last migration of each part of its schema."""

    format: int
    version: str
    taken_at: float
    database: str
    schema: list[tuple[str, str]]


class Manifest(Struct, frozen=True, omit_defaults=True):
    """``missing`` are files that were removed between the moment of the rows and their turn: they had outlived it.

    ``keys`` are the ids of the sealing keys that travel with it. ``plain_sha256`` is of the whole stream before its
    last entry, ``sha256`` of the encrypted file; the latter is known only beside it.
    """

    head: Head
    tables: dict[str, TableContent] = field(default_factory=dict)
    files: int = 0
    file_bytes: int = 0
    missing: int = 0
    spooled: int = 0
    keys: list[str] = field(default_factory=list)
    plain_sha256: str = ""
    sha256: str = ""
    size: int = 0

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables.values())
