"""Planted bugs that change nothing anybody could notice, each with the proof."""

from collections.abc import Mapping

EQUIVALENT: Mapping[str, str] = {}
