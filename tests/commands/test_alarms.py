from hailgate.accounts.alarms import raise_alarm
from hailgate.core.alarms import Alarm, Cause


def test_alarms_are_listed_and_cleared(ask, run, tenant):
    raise_alarm(Cause(Alarm.DEAD_LETTERS, f"tenant:{tenant.pk}", tenant.pk))
    [row] = ask("alarms", "list")
    assert (row["code"], row["tenant"], row["cleared_at"]) == ("dead_letters", "clinic", None)
    assert row["advice"]
    assert ask("alarms", "clear", row["id"]) == {"id": row["id"], "cleared": True}
    assert ask("alarms", "list") == []
    assert [one["code"] for one in ask("alarms", "list", "--all")] == ["dead_letters"]
    assert run("alarms", "clear", row["id"]).exit_code == 1
