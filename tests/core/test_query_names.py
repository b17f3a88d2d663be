"""A query parameter that an operation does not know is refused by its name, with the nearest one that it knows."""

import pytest

from hailgate.core.errors import InputError
from hailgate.core.query_names import check_query_names

KNOWN = frozenset({"status", "channel", "since", "until", "limit", "cursor", "metadata"})


@pytest.mark.parametrize("given", [[], ["status"], ["metadata[order]"], ["limit", "cursor"]])
def test_what_is_known_passes(given):
    check_query_names(given, KNOWN)


@pytest.mark.parametrize(
    ("given", "field", "advice"),
    [
        ("statuses", "statuses", "status is near to it"),
        ("Status", "Status", "status is near to it"),
        ("chanel", "chanel", "channel is near to it"),
        ("meta[order]", "meta", "metadata is near to it"),
        ("colour", "colour", "there are channel, cursor, limit, metadata, since, status, until"),
        ("15550100042", None, "A query parameter: is not known here; there are"),
        ("not a word", None, "A query parameter: is not known here; there are"),
        ("x" * 33, None, "A query parameter: is not known here; there are"),
        ("", None, "A query parameter: is not known here; there are"),
    ],
)
def test_what_is_not_is_named_as_far_as_it_may_be(given, field, advice):
    with pytest.raises(InputError) as refusal:
        check_query_names(["limit", given], KNOWN)
    assert refusal.value.field == field
    assert advice in refusal.value.detail


def test_an_operation_without_parameters_says_so():
    with pytest.raises(InputError, match="limit: is not known here; this operation has none, remove it"):
        check_query_names(["limit"], ())
