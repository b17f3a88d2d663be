"""Style sheets and scripts of the console and of Django's admin, from where their packages are installed."""

import os
from collections.abc import Sequence
from typing import Any, Final

from starlette.responses import Response
from starlette.staticfiles import StaticFiles

# Their address changes whenever one of them does.
FOR_EVER: Final = "public, max-age=31536000, immutable"


class Assets(StaticFiles):
    """``packages`` are ``(package, folder)``; the first that has a file serves it."""

    def __init__(self, packages: Sequence[tuple[str, str]]) -> None:
        super().__init__(packages=list(packages))

    def file_response(self, full_path: Any, stat_result: os.stat_result, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(full_path, stat_result, *args, **kwargs)
        response.headers["Cache-Control"] = FOR_EVER
        return response
