"""How far each attempt of a worker came: a mark in its own file, which outlives a kill.

*Prepared* before the attempt is committed, *begun* directly before the first byte. Both are written through mapped
memory, without a call to the kernel, and the pages of a process that was killed stay where they are. So whoever holds
the dead worker's lock may read that an attempt never left, and free its row instead of calling it unknown.

Only a mark that is whole says anything. The file is worth nothing where it was written before this machine started
(its pages may not have reached the disk), where it is a copy of the one that was written, and on a file system of which
we do not know that its pages belong to this kernel alone and are never short of room: all this is "unknown", as
without marks.
"""

import mmap
import os
import struct
from pathlib import Path
from typing import NamedTuple

# More than a worker has in flight; what finds no place goes without a mark.
PLACES = 1024
# What the kernel keeps for itself, and where a page that was allocated can be written again on a full disk: on others
# (btrfs, zfs) the write itself may end the process.
LOCAL = frozenset({"ext2", "ext3", "ext4", "xfs", "tmpfs", "overlay"})

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_MOUNTS = Path("/proc/self/mountinfo")
_MAGIC = b"hailgate marks 1"
# What it is, the boot, and which file: device and number.
_HEADER = struct.Struct("<16s36sQQ")
# A row, the number of its attempt, and the seal, which is there only while the attempt has not begun.
_MARK = struct.Struct("<QII")
_SEAL = struct.Struct("<I")
_SEAL_AT = _MARK.size - _SEAL.size
SIZE = _HEADER.size + PLACES * _MARK.size
_BROKEN = 0
_SALT = 0x6D61726B


class AttemptMark(NamedTuple):
    row: int
    attempt: int


class Marks:
    """Of one process. ``memory`` is mapped from its file; where no file would prove anything, it is nobody's."""

    def __init__(self, memory: mmap.mmap | bytearray | None = None) -> None:
        self._memory = bytearray(SIZE) if memory is None else memory
        self._free = list(range(_HEADER.size, SIZE, _MARK.size))
        self._taken: dict[int, int] = {}

    def prepare(self, row: int, attempt: int) -> None:
        """Comes before the commit of the attempt. The seal is written last: half a mark proves nothing."""
        if self._free and row not in self._taken:
            self._taken[row] = place = self._free.pop()
            _MARK.pack_into(self._memory, place, row, attempt, _sealed(row, attempt))

    def begin(self, row: int) -> None:
        """Comes directly before the first byte. Half of this breaks the seal too."""
        if row in self._taken:
            _SEAL.pack_into(self._memory, self._taken[row] + _SEAL_AT, _BROKEN)

    def clear(self, row: int) -> None:
        if row in self._taken:
            place = self._taken.pop(row)
            _SEAL.pack_into(self._memory, place + _SEAL_AT, _BROKEN)
            self._free.append(place)

    def close(self) -> None:
        if isinstance(self._memory, mmap.mmap):
            self._memory.close()


def _sealed(row: int, attempt: int) -> int:
    """No check of a disk's faults, which end with a new boot, but of a mark that was cut off by a kill."""
    return ((row * 0x9E3779B1) ^ (attempt * 0x85EBCA6B) ^ _SALT) & 0xFFFFFFFF | 1


def open_marks(descriptor: int) -> Marks:
    """Of a new file of this process; in plain memory where the file would prove nothing."""
    try:
        boot = _BOOT_ID.read_bytes().strip()
        if not is_local(Path(f"/proc/self/fd/{descriptor}").readlink(), _MOUNTS.read_text()):
            return Marks()
        # Written and not only made longer: no page is ever missing when a mark is set, be the disk full by then.
        os.pwrite(descriptor, bytes(SIZE), 0)
        os.posix_fallocate(descriptor, 0, SIZE)
        os.pwrite(descriptor, _header(boot, descriptor), 0)
        return Marks(mmap.mmap(descriptor, SIZE))
    except (OSError, ValueError):
        return Marks()


def read_prepared(descriptor: int) -> frozenset[AttemptMark]:
    """The attempts that surely never left. The caller holds the lock of the file, so that its process is gone."""
    try:
        content = os.pread(descriptor, SIZE + 1, 0)
        expected = _header(_BOOT_ID.read_bytes().strip(), descriptor)
    except OSError:
        return frozenset()
    if len(content) != SIZE or not content.startswith(expected):
        return frozenset()
    return find_prepared(content)


def find_prepared(memory: bytes | bytearray) -> frozenset[AttemptMark]:
    marks = _MARK.iter_unpack(memory[_HEADER.size :])
    # The seal of a place that nobody used is 0.
    return frozenset(
        AttemptMark(row, attempt) for row, attempt, seal in marks if seal and seal == _sealed(row, attempt)
    )


def is_local(path: Path, mounts: str) -> bool:
    """Whether the file system of a path is one of ``LOCAL``. ``mounts`` as in proc(5), /proc/pid/mountinfo."""
    kinds = {}
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        kinds[before.split()[4].encode().decode("unicode_escape")] = after.split()[0]
    above = [str(folder) for folder in path.parents if str(folder) in kinds]
    return bool(above) and kinds[above[0]] in LOCAL


def _header(boot: bytes, descriptor: int) -> bytes:
    itself = os.fstat(descriptor)
    return _HEADER.pack(_MAGIC, boot, itself.st_dev, itself.st_ino)
