"""A file in a form (multipart/form-data), as browsers and most libraries send one: taken out as it streams by."""

from collections.abc import AsyncIterator
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from hailgate.core.errors import InputError, MalformedBody, TooLarge
from hailgate.core.filenames import parse_disposition

FORM: Final = "multipart/form-data"
FILE: Final = "file"
# All of a form but its file: boundaries, headers, fields that nobody asked for.
MOST_BESIDE: Final = 64 * 1024


class MultipartReader:
    """The part called `file` of one form. ``name`` is what its sender calls it, known once the content begins."""

    def __init__(self, content_type: str) -> None:
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if not 1 <= len(boundary) <= 70:
            raise MalformedBody("The form names no boundary in its Content-Type.")
        self.name = ""
        self._beside = 0
        self._header, self._value = b"", b""
        self._disposition = b""
        self._inside = self._found = self._ended = False
        self._pieces: list[bytes] = []
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin_part,
                "on_header_field": self._add_header,
                "on_header_value": self._add_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": self._add_data,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
        )

    async def content(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The file's bytes. Raises MalformedBody, TooLarge, and InputError for a form without a file or with two."""
        async for chunk in body:
            try:
                self._parser.write(chunk)
            except FormParserError:
                raise MalformedBody("The body is not a form as its Content-Type says.") from None
            pieces, self._pieces = self._pieces, []
            self._count(len(chunk) - sum(map(len, pieces)))
            for piece in pieces:
                yield piece
        if not self._ended:
            raise MalformedBody("The form has no end.")
        if not self._found:
            raise InputError(f"{FILE}: is missing; send the file as a part of this name.", field=FILE)

    def _count(self, beside: int) -> None:
        self._beside += beside
        if self._beside > MOST_BESIDE:
            raise TooLarge(f"The form may have at most {MOST_BESIDE} bytes beside its file.")

    def _begin_part(self) -> None:
        self._disposition = b""

    def _add_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._inside = options.get(b"name") == FILE.encode()
        if self._inside and self._found:
            raise InputError(f"{FILE}: is there twice; send one file at a time.", field=FILE)
        if self._inside:
            self._found, self.name = True, parse_disposition(self._disposition)

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._inside and start < end:
            self._pieces.append(data[start:end])

    def _end_part(self) -> None:
        self._inside = False

    def _end(self) -> None:
        self._ended = True
