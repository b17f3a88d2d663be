"""Plants a bug in modules that are loaded already: the tests that use them need not be loaded again.

Every live function of the module takes the code that the changed source gives it, also where others imported it by
name. A constant that came out otherwise takes the place of the old one wherever that is held under a name.
"""

import gc
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from .sites import Site


class Unplantable(Exception):  # noqa: N818
    """Only a new process would show it."""


def plant(site: Site) -> None:
    """Raises Unplantable."""
    module = sys.modules.get("hailgate." + site.file.removesuffix(".py").replace("/", "."))
    if module is None or module.__file__ is None:
        raise Unplantable("nobody has loaded it")
    with open(module.__file__, encoding="utf-8") as file:  # noqa: PTH123 -- its name as the code objects have it
        code = compile(site.plant(file.read()), module.__file__, "exec", dont_inherit=True)
    _replace_constants(module, code)
    _replace_functions(module.__file__, dict(_functions(code)))


def _functions(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant.co_qualname, constant
            yield from _functions(constant)


def _replace_functions(file: str, changed: dict[str, CodeType]) -> None:
    for function in [each for each in gc.get_objects() if isinstance(each, FunctionType)]:
        old = function.__code__
        if (
            old.co_filename == file
            and (new := changed.get(old.co_qualname))
            and new.co_code + _words(new) != old.co_code + _words(old)
        ):
            try:
                function.__code__ = new
            except ValueError as unlike:  # it closes over something else now
                raise Unplantable(str(unlike)) from unlike


def _words(code: CodeType) -> bytes:
    return repr((code.co_consts, code.co_names)).encode()


def _replace_constants(module: ModuleType, code: CodeType) -> None:
    fresh: dict[str, Any] = {
        "__name__": module.__name__,
        "__file__": module.__file__,
        "__package__": module.__package__,
    }
    try:
        exec(code, fresh)
    except Exception as failed:
        raise Unplantable(f"{type(failed).__name__}: {failed}") from failed
    for name, old in list(vars(module).items()):
        if isinstance(old, str) and not name.startswith("__") and fresh.get(name) != old:
            _rebind(old, fresh[name])


def _rebind(old: str, new: str) -> None:
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", {})
        for name in [name for name, held in names.items() if held is old]:
            names[name] = new
