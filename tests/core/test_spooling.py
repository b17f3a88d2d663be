"""Records in a file that may end anywhere, or hold anything."""

from hypothesis import given
from hypothesis import strategies as st

from hailgate.spool.record_framing import frame_records, read_records

RECORDS = st.lists(st.binary(max_size=60), max_size=8)
HEAD = 8


@given(RECORDS)
def test_what_is_written_is_read(records: list[bytes]) -> None:
    data = frame_records(records)
    assert read_records(data) == (records, len(data))


@given(RECORDS, RECORDS)
def test_writes_follow_each_other(first: list[bytes], second: list[bytes]) -> None:
    assert frame_records(first) + frame_records(second) == frame_records(first + second)


@given(RECORDS, st.data())
def test_a_file_that_ends_early_loses_what_is_not_whole_and_nothing_before_it(records, data) -> None:
    whole = frame_records(records)
    end = data.draw(st.integers(0, len(whole)))
    read, size = read_records(whole[:end])
    assert read == records[: len(read)]
    assert size == len(frame_records(read)) <= end
    assert len(read) == len(records) or size + HEAD + len(records[len(read)]) > end


@given(RECORDS.filter(bool), st.data())
def test_a_byte_that_changed_ends_the_file_at_its_record(records, data) -> None:
    whole = bytearray(frame_records(records))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    before = 0
    while len(frame_records(records[: before + 1])) <= at:
        before += 1
    read, size = read_records(bytes(whole))
    assert read == records[:before]
    assert size == len(frame_records(read))


@given(RECORDS, st.integers(1, 200))
def test_zeros_at_the_end_are_no_records(records, zeros: int) -> None:
    data = frame_records(records)
    assert read_records(data + bytes(zeros)) == (records, len(data))


@given(st.binary(max_size=200))
def test_anything_can_be_read(data: bytes) -> None:
    records, size = read_records(data)
    assert frame_records(records) == data[:size]
