"""What stands around an interactive message: its header, and how long each part may be."""

from typing import Annotated

from hailgate.core.content.parts import DocumentFile, File, Part, limit

BODY_LIMIT = 1024
HEADER_LIMIT = 60
FOOTER_LIMIT = 60


class TextHeader(Part, frozen=True, tag_field="type", tag="text"):
    text: Annotated[str, limit(HEADER_LIMIT)]
    sub_text: Annotated[str | None, limit(HEADER_LIMIT)] = None


class ImageHeader(Part, frozen=True, tag_field="type", tag="image"):
    image: File


class VideoHeader(Part, frozen=True, tag_field="type", tag="video"):
    video: File


class DocumentHeader(Part, frozen=True, tag_field="type", tag="document"):
    document: DocumentFile


Header = TextHeader | ImageHeader | VideoHeader | DocumentHeader
FileHeader = ImageHeader | VideoHeader | DocumentHeader
