"""A Graph API version ends about two years after it came; an owner hears of it 90 days before."""

from datetime import UTC, datetime

import pytest

from hailgate.providers.cloud.config import CloudChannel
from hailgate.providers.cloud.versions import DEFAULT, ENDS, warn_of_end
from hailgate.providers.contract import Secret


def at(day):
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("version", "day", "warning"),
    [
        ("v21.0", "2026-10-22", None),  # 91 days before
        ("v21.0", "2026-10-23", "Graph API v21.0 ends on 2027-01-21. Set version to v25.0."),  # 90
        ("v21.0", "2027-01-21", "Graph API v21.0 ends on 2027-01-21. Set version to v25.0."),
        ("v21.0", "2027-01-22", "Graph API v21.0 ended on 2027-01-21. Set version to v25.0."),
        ("v20.0", "2026-11-30", "Graph API v20.0 ended on 2026-09-24. Set version to v25.0."),
        ("v17.0", "2026-11-30", "Graph API v17.0 has ended. Set version to v25.0."),
        ("v25.0", "2026-11-30", None),
        ("v25.0", "2028-05-01", "Graph API v25.0 ends on 2028-07-29. Set version to v25.0."),
        ("v26.0", "2028-11-30", None),  # its end is not known yet
        ("v40.0", "2028-11-30", None),
    ],
)
def test_the_end_of_a_version_is_told_ninety_days_before(version, day, warning):
    assert warn_of_end(version, at(day)) == warning


def test_the_default_lasts_and_any_later_one_is_allowed():
    channel = {"phone_number_id": "1", "access_token": Secret("t")}
    assert CloudChannel(**channel).version == DEFAULT == "v25.0"
    assert CloudChannel(**channel, version="v26.0").version == "v26.0"
    assert max(ENDS, key=ENDS.__getitem__) == DEFAULT
