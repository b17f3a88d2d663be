"""``hailgate`` and ``python -m hailgate``."""

from hailgate.commands.program import program


def main() -> None:
    program(prog_name="hailgate")


if __name__ == "__main__":
    main()
