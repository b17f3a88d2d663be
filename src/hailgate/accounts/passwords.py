"""Passwords: how they are hashed, and which are refused though they are long enough: one character over and over, a
row of the keyboard, the product's own name.
"""

from typing import Any

from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

LEAST_DIFFERENT = 5
LEAST_BESIDE_NAME = 8
NAMES = ("hailgate", "whatsapp")
ROWS = (
    "01234567890123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
)


class OneLaneArgon2(Argon2PasswordHasher):
    """Argon2id at Django's cost, on one core: with eight lanes, whoever guesses takes all cores from those who work.

    Hashes with other lanes are still verified, and made anew when their owner signs in.
    """

    parallelism = 1


class NotTheFirstGuess:
    """A validator as Django calls it."""

    def validate(self, password: str, user: Any = None) -> None:
        del user
        if is_first_guess(password):
            raise ValidationError(_("This password is among the first that are tried."), code="password_too_plain")

    def get_help_text(self) -> str:
        return _("Not one character over and over, not a row of the keyboard, not the name of this program.")


def is_first_guess(password: str) -> bool:
    plain = "".join(password.lower().split())
    if len(set(plain)) < LEAST_DIFFERENT:
        return True
    for name in NAMES:
        if name in plain and len(plain.replace(name, "").strip("0123456789!.-_")) < LEAST_BESIDE_NAME:
            return True
    return any(plain in row * 2 or plain in row[::-1] * 2 for row in ROWS)
