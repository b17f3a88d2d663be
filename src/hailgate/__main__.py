"""``hailgate`` and ``python -m hailgate``."""

import os

from hailgate.commands.program import program

# Whatever this program makes is for its own user alone: keys, files of messages, the database.
OWN_FILES_ONLY = 0o077


def main() -> None:
    os.umask(OWN_FILES_ONLY)
    program(prog_name="hailgate")


if __name__ == "__main__":
    main()
