"""The spool on disk: segments in a folder that belongs to one process for as long as it lives.

Whoever made a folder holds a lock on it, which the kernel drops with the process: then another adopts it. A segment is
written by its maker alone and only at its end, and it goes once all it holds is in the database. After an error of the
disk nothing is added to it any more: what a failed sync has left of it cannot be known (a second one would say that
all is well), and what it held before is safe. Everything here blocks; one thread calls it all.
"""

import errno
import fcntl
import os
import secrets
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hailgate.core.errors import SpoolUnavailable
from hailgate.spool.record_framing import frame_records, read_records
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log

# Read as a whole when it is brought to the database, and given back to the disk as a whole.
SEGMENT_BYTES: Final = 8 << 20
LIVE: Final = ".segment"
REFUSED: Final = ".refused"
TRIAL: Final = "trial"
# On a full disk there is room again when somebody makes it.
RETRY_AFTER_S: Final = 5.0


@dataclass(slots=True)
class Segment:
    """``size`` is what counts of it: what may follow was never answered."""

    path: Path
    size: int = 0
    records: int = 0


class Segments:
    """``records`` and ``size`` (in bytes) are what is on disk and not yet in the database."""

    def __init__(self, folder: Path, limit: int, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._root, self._limit, self._segment_bytes = folder, limit, segment_bytes
        self._own: _Folder | None = None
        self._adopted: list[_Folder] = []
        self._waiting: deque[Segment] = deque()
        self._current: Segment | None = None
        self._descriptor = -1
        self._number = 0
        self._full = False
        self._ahead: set[Path] | None = None
        self.records = self.size = 0

    # --- in -----------------------------------------------------------------------------------------------------------

    def append(self, records: Sequence[bytes]) -> None:
        """On disk when it returns. Raises SpoolUnavailable; then none of them is there, or nobody will look at it."""
        data = frame_records(records)
        if self.size + len(data) > self._limit:
            self._full = True
            raise _full()
        try:
            segment = self._current or self._begin()
            self._write(segment, data)
        except OSError as failed:
            raise _unavailable() from failed
        segment.size += len(data)
        segment.records += len(records)
        self.size += len(data)
        self.records += len(records)
        if segment.size >= self._segment_bytes:
            self._end()

    def check(self) -> None:
        """Whether the disk would take something. Raises SpoolUnavailable."""
        if self._full:
            raise _full()
        try:
            folder = self._own or self._take_folder()
            trial = folder.path / TRIAL
            try:
                _write_file(trial, frame_records([b"trial"]))
            finally:
                trial.unlink(missing_ok=True)
        except OSError as failed:
            self._forget_folder(failed)
            raise _unavailable() from failed

    def _begin(self) -> Segment:
        try:
            folder = self._own or self._take_folder()
            self._number += 1
            segment = Segment(folder.path / f"{self._number:08}{LIVE}")
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
            descriptor = os.open(segment.path, flags, 0o600)
        except OSError as failed:
            self._forget_folder(failed)
            raise
        try:
            os.fsync(folder.descriptor)  # or a power cut would take the name of the file
        except OSError:
            os.close(descriptor)
            segment.path.unlink(missing_ok=True)
            raise
        self._current, self._descriptor = segment, descriptor
        return segment

    def _write(self, segment: Segment, data: bytes) -> None:
        try:
            _write_all(self._descriptor, data)
            os.fdatasync(self._descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, segment.size)
            self._end()
            raise

    def _end(self) -> None:
        """Nothing more goes into the present segment."""
        if (segment := self._current) is None:
            return
        self._current = None
        with suppress(OSError):
            os.close(self._descriptor)
        if segment.size:
            self._waiting.append(segment)
        else:
            with suppress(OSError):
                segment.path.unlink(missing_ok=True)

    def _take_folder(self) -> "_Folder":
        if not self._root.is_dir():
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync_folder(self._root.parent)
        folder = None
        while folder is None:  # whoever adopts may have been quicker
            path = self._root / _name_folder(time.time_ns())
            path.mkdir(mode=0o700)
            folder = _hold(path)
        _sync_folder(self._root)
        self._own = folder
        return folder

    def _forget_folder(self, failed: OSError) -> None:
        """Somebody has removed it: the next webhook gets another."""
        if isinstance(failed, FileNotFoundError) and self._own is not None:
            os.close(self._own.descriptor)
            self._own = None

    # --- out ----------------------------------------------------------------------------------------------------------

    def adopt(self) -> int:
        """Take over what processes have left that are gone; how many webhooks. Whoever began first comes first.

        Raises SpoolUnavailable where the folder cannot be read.
        """
        found = 0
        for folder in self._abandoned():
            measured = [_measure(path) for path in sorted(folder.path.glob(f"*{LIVE}"))]
            segments = [segment for segment in measured if segment is not None]
            self._adopted.append(folder)
            mine = [each for each in self._waiting if self._is_own(each)]
            theirs = [each for each in self._waiting if each not in mine]
            self._waiting = deque([*theirs, *segments, *mine])
            found += sum(segment.records for segment in segments)
            self.size += sum(segment.size for segment in segments)
        self.records += found
        self._leave_empty_folders()
        if self._ahead is None:
            self._ahead = {path for folder in _folders_in(self._root) for path in folder.glob(f"*{LIVE}")}
        return found

    def others_first(self) -> bool:
        """Whether another process has what lay here already when this one looked for the first time.

        Those who start together share what was left. Whoever then got an answer from the process before this one must
        not be overtaken by themselves.
        """
        held = self._held()
        self._ahead = {path for path in self._ahead or () if path.parent not in held and path.exists()}
        return bool(self._ahead)

    def pass_others(self) -> None:
        """They do not go on."""
        self._ahead = set()

    def first(self) -> tuple[Segment, list[bytes]] | None:
        """The oldest segment with its records; it stays where it is. Raises OSError.

        None where there is none, or none but this process's own while others go first.
        """
        if not self._waiting:
            self._end()
        while self._waiting:
            segment = self._waiting[0]
            if self._is_own(segment) and self.others_first():
                return None
            if segment.records:
                return segment, read_records(_read(segment.path, segment.size))[0]
            self.finish(segment)
        return None

    def finish(self, segment: Segment, *, refused: bool = False) -> None:
        """All of it is in the database; or what is not is nothing that the database takes, and kept for a person."""
        if refused:
            segment.path.rename(segment.path.with_suffix(REFUSED))
        else:
            segment.path.unlink(missing_ok=True)
        self._full = False
        self._waiting.remove(segment)
        self.size -= segment.size
        self.records -= segment.records
        self._leave_empty_folders()

    def close(self) -> None:
        """What waits stays for whoever comes next."""
        self._end()
        for folder in filter(None, [*self._adopted, self._own]):
            folder.leave()
        self._adopted, self._own = [], None

    def _abandoned(self) -> Iterator["_Folder"]:
        held = self._held()
        for path in _folders_in(self._root):
            if path not in held and (folder := _hold(path)):
                yield folder

    def _is_own(self, segment: Segment) -> bool:
        return self._own is not None and segment.path.parent == self._own.path

    def _held(self) -> set[Path]:
        return {folder.path for folder in filter(None, [*self._adopted, self._own])}

    def _leave_empty_folders(self) -> None:
        needed = {segment.path.parent for segment in self._waiting}
        for folder in [each for each in self._adopted if each.path not in needed]:
            folder.leave()
            self._adopted.remove(folder)


@dataclass(slots=True)
class _Folder:
    """Held by its lock until it is left."""

    path: Path
    descriptor: int

    def leave(self) -> None:
        """Without anything in it, it goes."""
        with suppress(OSError):
            (self.path / TRIAL).unlink(missing_ok=True)
            self.path.rmdir()
        os.close(self.descriptor)


def _folders_in(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if path.is_dir())
    except FileNotFoundError:  # nobody has ever needed it
        return []
    except OSError as failed:
        raise _unavailable() from failed


def _hold(path: Path) -> _Folder | None:
    """None where it is somebody's, or is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return _Folder(path, descriptor)
    except OSError:
        pass
    os.close(descriptor)
    return None


def _measure(path: Path) -> Segment | None:
    """Of somebody else's making, perhaps torn in the middle of a record. None where it cannot be read, for now."""
    try:
        data = path.read_bytes()
    except OSError as failed:
        log.error(Event.SPOOL_FAILED, error=name_of(failed))
        return None
    records, size = read_records(data)
    if size < len(data):
        log.warning(Event.SPOOL_TORN, size=len(data) - size, count=len(records))
    return Segment(path, size, len(records))


def _read(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size)


def _write_file(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        _write_all(descriptor, data)
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _name_folder(now_ns: int) -> str:
    """In the order in which processes began: as a UUID of version 7 begins, and finer than its millisecond."""
    ms, rest = divmod(now_ns, 1_000_000)
    return f"{ms:012x}{(rest << 16) // 1_000_000:04x}{secrets.token_hex(8)}"


def name_of(failed: BaseException) -> str:
    """ENOSPC, EIO, …; else the name of the class."""
    number = failed.errno if isinstance(failed, OSError) else None
    return errno.errorcode.get(number or 0, type(failed).__name__)


def _full() -> SpoolUnavailable:
    detail = "As many webhooks as HAILGATE_SPOOL_BYTES allows wait on disk."
    return SpoolUnavailable(detail, retry_after=RETRY_AFTER_S)


def _unavailable() -> SpoolUnavailable:
    return SpoolUnavailable("The disk does not take webhooks for a database that is away.", retry_after=RETRY_AFTER_S)
