"""The watch tells of alarms without any text, number or token, and nothing that fails in telling harms it."""

import pytest

from hailgate.accounts.alarms import raise_alarm
from hailgate.accounts.models import RaisedAlarm
from hailgate.core.alarms import Alarm, Cause
from hailgate.core.errors import ConfigurationError, StoreUnavailable
from hailgate.pipeline import alarm_checks
from hailgate.pipeline.alarm_checks import Watch, open_notifier
from hailgate.telemetry.events import Event

pytestmark = pytest.mark.anyio


@pytest.fixture
def watching(db, tmp_path, monkeypatch):
    monkeypatch.setattr(alarm_checks, "is_disk_low", lambda *_: False)

    def watching(notifier=None, db=db) -> Watch:
        return Watch(db, tmp_path, lambda: None, notifier, "https://hail.example")

    return watching


async def test_a_raised_alarm_is_told_once_with_a_link(db, watching) -> None:
    told = []
    await db(raise_alarm, Cause(Alarm.CHANNEL_PAUSED, "channel:7"))
    looking = watching(lambda title, text: told.append((title, text)) or True)
    await looking.look()
    await looking.look()
    [(title, text)] = told
    assert title == "Hailgate"
    assert Alarm.CHANNEL_PAUSED.sentence in text
    assert "channel:7" in text
    assert "https://hail.example/console/alarms" in text


async def test_a_notifier_that_fails_is_asked_again_and_harms_nothing(db, watching, capture_log) -> None:
    def broken(title: str, text: str) -> bool:
        raise OSError("smtp://user:secret@mail.example")

    await db(raise_alarm, Cause(Alarm.DISK_LOW, "host:elsewhere"))
    await watching(broken).look()
    assert await db(lambda: RaisedAlarm.objects.get().tell_tries) == 1
    assert Event.ALARM_NOT_TOLD in [line["event"] for line in capture_log]
    assert "secret" not in str(capture_log)


async def test_a_notifier_that_hangs_is_given_up(db, watching, monkeypatch) -> None:
    import threading

    end = threading.Event()
    monkeypatch.setattr(alarm_checks, "TELLING_S", 0.01)
    await db(raise_alarm, Cause(Alarm.DISK_LOW, "host:elsewhere"))
    await watching(lambda *_: end.wait(30)).look()
    end.set()
    assert await db(lambda: RaisedAlarm.objects.get().tell_tries) == 1


async def test_without_anybody_to_tell_the_row_stays(db, watching) -> None:
    await db(raise_alarm, Cause(Alarm.CHANNEL_PAUSED, "channel:7"))
    await watching().look()
    assert await db(lambda: RaisedAlarm.objects.get().told_at) is None


async def test_a_disk_that_fills_is_told_and_cleared(db, watching, monkeypatch) -> None:
    looking = watching()
    monkeypatch.setattr(alarm_checks, "is_disk_low", lambda *_: True)
    await looking.look()
    assert await db(lambda: RaisedAlarm.objects.get().cleared_at) is None
    monkeypatch.setattr(alarm_checks, "is_disk_low", lambda *_: False)
    await looking.look()
    assert await db(lambda: RaisedAlarm.objects.get().cleared_at) is not None


async def test_a_store_that_stays_away_is_told_once_and_leaves_a_row_when_it_is_back(db, watching, monkeypatch) -> None:
    told, is_away = [], True

    async def flaky(function, *arguments):
        if is_away:
            raise StoreUnavailable
        return await db(function, *arguments)

    looking = watching(lambda _, text: told.append(text) or True, db=flaky)
    await looking.look()
    assert told == []
    monkeypatch.setattr(alarm_checks, "STORE_AWAY_S", 0.0)
    await looking.look()
    await looking.look()
    assert [Alarm.STORE_AWAY.sentence in text for text in told] == [True]
    is_away = False
    await looking.look()
    row = await db(RaisedAlarm.objects.get)
    assert (row.code, row.cleared_at is not None) == ("store_away", True)
    assert len(told) == 1


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # apprise asks for it
async def test_what_apprise_does_not_know_is_refused_by_its_place_not_by_its_text() -> None:
    pytest.importorskip("apprise")
    with pytest.raises(ConfigurationError) as refused:
        open_notifier(("json://localhost", "nonsense secret"))
    assert "entry 2" in str(refused.value)
    assert "secret" not in str(refused.value)
    assert open_notifier(()) is None
    assert open_notifier(("json://localhost",)) is not None


async def test_the_extra_is_named_where_it_is_missing(monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ConfigurationError, match="the extra `alarms`"):
        open_notifier(("json://localhost",))
