"""Files are sealed piece by piece, whole or not at all, in a folder as in a bucket."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import MemoryStore

from hailgate.accounts.seal import Sealer, sealer, use_sealer
from hailgate.core.errors import ConfigurationError, NotFound, TooLarge
from hailgate.messaging.files.encryption import CHUNK, TAG, FileDamaged, make_key, open_chunks, seal_chunks
from hailgate.messaging.files.storage import StoredFiles, open_files

pytestmark = pytest.mark.anyio


async def stream(*parts: bytes):
    for part in parts:
        yield part


async def gathered(chunks) -> bytes:
    return b"".join([chunk async for chunk in chunks])


async def sealed(key: str, content: bytes) -> bytes:
    return await gathered(seal_chunks(key, stream(content)))


@pytest.fixture(params=["folder", "bucket"])
def files(request, tmp_path) -> StoredFiles:
    return open_files(tmp_path, "") if request.param == "folder" else StoredFiles(MemoryStore())


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 6_000_001])
async def test_what_was_kept_is_read(files, size: int) -> None:
    content = bytes(size)
    kept = await files.keep(stream(content[: size // 3], content[size // 3 :]), 10_000_000)
    assert (kept.size, kept.sha256) == (size, hashlib.sha256(content).hexdigest())
    assert await gathered(files.read(kept.file, kept.key)) == content


async def test_a_file_that_breaks_off_leaves_nothing(tmp_path) -> None:
    async def breaking():
        yield bytes(7_000_000)
        raise ConnectionResetError

    files = open_files(tmp_path, "")
    with pytest.raises(ConnectionResetError):
        await files.keep(breaking(), 10_000_000)
    with pytest.raises(TooLarge):
        await files.keep(stream(bytes(1000)), 999)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_a_file_can_be_dropped_twice(files) -> None:
    kept = await files.keep(stream(b"x"), 10)
    await files.drop(kept.file)
    await files.drop(kept.file)
    with pytest.raises(NotFound):
        await gathered(files.read(kept.file, kept.key))


def test_the_folder_is_the_owners_alone(tmp_path) -> None:
    open_files(tmp_path, "")
    assert (tmp_path / "media").stat().st_mode & 0o777 == 0o700


async def test_each_file_has_its_own_name_and_key(files) -> None:
    first, second = [await files.keep(stream(b"same"), 10) for _ in range(2)]
    assert first.file != second.file
    assert sealer().unseal(first.key) != sealer().unseal(second.key)


@given(st.data())
async def test_no_change_to_a_sealed_file_goes_unnoticed(data) -> None:
    key = make_key()
    content = bytes(data.draw(st.integers(0, 3 * CHUNK)))
    stored = await sealed(key, content)
    place = data.draw(st.integers(0, len(stored) - 1))
    changed = bytearray(stored)
    changed[place] ^= data.draw(st.integers(1, 255))
    cut = stored[: data.draw(st.integers(0, len(stored) - 1))]
    for broken in (bytes(changed), cut, stored + b"x"):
        with pytest.raises(FileDamaged):
            await gathered(open_chunks(key, stream(broken)))


async def test_chunks_keep_their_places() -> None:
    key, size = make_key(), CHUNK + TAG
    stored = await sealed(key, bytes(3 * CHUNK))
    swapped = stored[size : 2 * size] + stored[:size] + stored[2 * size :]
    left_out = stored[:size] + stored[2 * size :]
    for broken in (swapped, left_out, stored[:size]):
        with pytest.raises(FileDamaged):
            await gathered(open_chunks(key, stream(broken)))


async def test_a_new_sealing_key_reads_old_files_as_long_as_the_old_key_is_there() -> None:
    ours = sealer()
    old, new = f"old:{'AB' * 21}A=", f"new:{'BC' * 21}A="
    try:
        use_sealer(Sealer([old]))
        key = make_key()
        stored = await sealed(key, b"file")
        use_sealer(Sealer([new, old]))
        assert await gathered(open_chunks(key, stream(stored))) == b"file"
        use_sealer(Sealer([new]))
        with pytest.raises(ConfigurationError):
            await gathered(open_chunks(key, stream(stored)))
    finally:
        use_sealer(ours)
