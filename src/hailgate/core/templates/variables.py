"""What a template has to be told, as the fields of a form."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from hailgate.core.templates.definition import Button, Definition, Face, names_in

FILES: Final = frozenset({"image", "video", "document"})
# Of these a form can hold the value in one line.
SIMPLE: Final = FILES | {"text", "suffix", "coupon_code", "payload"}
# Buttons that are told something, and whether they must be.
_TOLD: Final = {
    "quick_reply": ("payload", False),
    "copy_code": ("coupon_code", True),
    "mpm": ("action", True),
    "order_details": ("action", True),
    "flow": ("action", False),
    "catalog": ("action", False),
}


class Variable(NamedTuple):
    """`key` names it in a form: `header.1`, `body.first_name`, `button.0`, `card.1.body.1`.

    `kind` is text, suffix (of a button's address), coupon_code, payload, image, video, document, location, action or
    offer. `place` is what a person knows it by: its name in the text, the words on its button.
    """

    key: str
    kind: str
    place: str
    example: str = ""
    required: bool = True

    @property
    def in_header(self) -> bool:
        """Header and body each number their variables from 1."""
        return self.key.startswith("header.")


def list_variables(definition: Definition) -> list[Variable]:
    found = list(_of_face(definition.face, ""))
    if definition.offer:
        found.append(Variable("offer", "offer", "offer"))
    for index, card in enumerate(definition.cards):
        found += _of_face(card, f"card.{index}.")
    return found


def fits_a_form(definition: Definition) -> bool:
    """Whether all that it must be told fits into lines of a form."""
    return not definition.cards and all(
        variable.kind in SIMPLE for variable in list_variables(definition) if variable.required
    )


def told_by(button: Button) -> tuple[str, bool] | None:
    """The kind of what a call tells a button, and whether it must; None where it cannot be told anything."""
    if button.variable:
        return "suffix", True
    return _TOLD.get(button.kind)


def _of_face(face: Face, prefix: str) -> Iterator[Variable]:
    header = face.header
    if header and header.form == "text":
        for name in names_in(header.text):
            yield Variable(f"{prefix}header.{name}", "text", name, header.examples.get(name, ""))
    elif header:
        yield Variable(f"{prefix}header", header.form, header.form)
    for name in names_in(face.body):
        yield Variable(f"{prefix}body.{name}", "text", name, face.examples.get(name, ""))
    for index, button in enumerate(face.buttons):
        if told := told_by(button):
            yield Variable(f"{prefix}button.{index}", told[0], button.text, button.example, told[1])
