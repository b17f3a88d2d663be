"""What is wrong with the database, in a sentence that says what to do.

Never in the driver's own words: they hold addresses.
"""

from typing import Final

# The first that fits, by what the driver says in English or by its SQLSTATE.
_SENTENCES: Final = (
    # SQLite
    (
        ("unable to open database file",),
        "The database's file cannot be opened: does its folder exist, and may this user write there?",
    ),
    (
        ("readonly database",),
        "The database's file can only be read: may this user write to it and to its folder?",
    ),
    (("file is not a database",), "The file of HAILGATE_DATABASE_URL is no SQLite database."),
    (("malformed",), "The database's file is damaged: bring back a backup."),
    (("database or disk is full",), "The disk of the database's file is full: make room there."),
    (("disk i/o error",), "The disk of the database's file fails."),
    (("database is locked",), "Another process holds the database's file for too long."),
    # PostgreSQL
    (("read-only", "25006"), "The database server takes no writes: is it a replica, or set to read only?"),
    (("no space left on device", "53100"), "The disk of the database server is full: make room there."),
    (("could not read block", "could not write", "could not fsync", "58030"), "The disk of the database server fails."),
    (("xx001", "xx002"), "The database server finds its files damaged: bring back a backup."),
    (("password authentication failed", "28p01"), "The database refuses the password of HAILGATE_DATABASE_URL."),
    (("no password supplied",), "The database wants a password, and HAILGATE_DATABASE_URL has none."),
    (("no pg_hba.conf entry",), "The database server lets nobody in from here: its pg_hba.conf has no line for it."),
    (("role ", "28000"), "The database does not know the user of HAILGATE_DATABASE_URL, or does not let it in."),
    (("3d000",), "The database server has no database of the name in HAILGATE_DATABASE_URL: create it."),
    (("permission denied", "42501"), "The user of HAILGATE_DATABASE_URL lacks rights in the database."),
    (
        ("too many clients", "too many connections", "53300"),
        "The database server takes no more connections: raise its limit, or run fewer processes.",
    ),
    (("53200",), "The database server is out of memory."),
    (("lock timeout", "55p03"), "Another process holds what is needed in the database for too long."),
    (("statement timeout", "57014"), "The database took longer for a statement than it may: is it overloaded?"),
    (
        ("could not translate host name", "name or service not known", "failed to resolve host"),
        "The host of HAILGATE_DATABASE_URL is not known.",
    ),
    (
        ("connection refused", "no such file or directory"),
        "No database server answers at HAILGATE_DATABASE_URL: is it running?",
    ),
    (("starting up", "shutting down", "57p03"), "The database server is starting or stopping."),
    (("57p01", "terminating connection"), "The database server ended the connection."),
    (
        ("timeout expired", "timed out", "couldn't get a connection"),
        "The database server does not answer in time: is it overloaded, or is something between us and it?",
    ),
    (
        ("server closed the connection", "connection reset", "broken pipe"),
        "The connection to the database server broke.",
    ),
    (("ssl",), "There is no secure connection to the database server: does it speak TLS, with the right certificate?"),
)
_ANY_OTHER: Final = "The database does not answer ({error}): is it running, and is HAILGATE_DATABASE_URL right?"


def explain_fault(failed: BaseException) -> str:
    """One sentence. PostgreSQL's pool hides why it has no connection: ``find_connection_fault`` tells more."""
    said = _said(failed)
    if " does not exist" in said and "database " in said and "role " not in said:
        said += " 3d000"
    for words, sentence in _SENTENCES:
        if any(word in said for word in words):
            return sentence
    return _ANY_OTHER.format(error=type(failed).__name__)


def find_connection_fault() -> BaseException | None:
    """Why there is no connection to PostgreSQL: tried once, outside the pool. None where there is one, or on SQLite."""
    import psycopg
    from django.db import connection

    if connection.vendor != "postgresql":
        return None
    parameters = connection.get_connection_params()
    for name in ("cursor_factory", "context", "server_side_binding", "pool"):
        parameters.pop(name, None)
    try:
        psycopg.connect(**parameters | {"connect_timeout": 3}).close()
    except psycopg.Error as failed:
        return failed
    return None


def _said(failed: BaseException) -> str:
    """All that the driver says of it, and what that came from."""
    words: list[str] = []
    seen: BaseException | None = failed
    while seen is not None:
        words += [str(seen), str(getattr(seen, "sqlstate", "") or "")]
        seen = seen.__cause__
    return " ".join(words).lower()
