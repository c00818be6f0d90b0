"""Rates that each process counts for itself, and settles with the others through Redis."""

from __future__ import annotations

import pytest

from crontopus_app.base.errors import RateLimited
from crontopus_app.base.queue import redis
from crontopus_app.base.rates import Rate
from crontopus_app.base.tally import SETTLE_S, Tally

FEW = Rate("few", 4, 60)


def used(tally: Tally, now: float = 0.0, key: str = "host", rate: Rate = FEW) -> int:
    return tally.spend(rate, key, now).used


def test_past_the_rate_is_refused_until_its_time_is_over() -> None:
    tally = Tally()
    assert [used(tally) for _ in range(4)] == [1, 2, 3, 4]
    with pytest.raises(RateLimited) as refused:
        used(tally, 10.0)
    assert refused.value.retry_after == 50
    assert used(tally, 10.0, "other") == 1
    assert used(tally, 60.0) == 1


def test_two_processes_learn_of_each_other(redis_url: str) -> None:
    one, other = Tally(), Tally()
    assert [used(one), used(one), used(other)] == [1, 2, 1]
    one.settle(FEW, 0.0)
    other.settle(FEW, 0.0)
    assert used(other, 1.0) == 4
    with pytest.raises(RateLimited):
        used(other, 1.0)
    assert used(one, 1.0) == 3  # it does not know yet
    one.settle(FEW, SETTLE_S)
    other.settle(FEW, SETTLE_S)
    one.settle(FEW, 2 * SETTLE_S)
    assert used(one, 2 * SETTLE_S, "third") == 1
    one.spend(Rate("few", 9, 60), "host", 2 * SETTLE_S)
    one.settle(FEW, 3 * SETTLE_S)
    with pytest.raises(RateLimited):
        used(one, 3 * SETTLE_S)


def test_what_is_settled_is_not_told_again(redis_url: str) -> None:
    tally = Tally()
    used(tally)
    for turn in range(3):
        tally.settle(FEW, turn * SETTLE_S)
    assert redis().get("crontopus:rate:few:host") == b"1"


def test_redis_is_not_asked_more_often_than_each_second_nor_for_who_uses_little(redis_url: str) -> None:
    tally, many = Tally(), Rate("many", 300, 60)
    used(tally, rate=many)
    tally.settle(many, 0.0)
    for _ in range(2):
        used(tally, rate=many)
    tally.settle(many, SETTLE_S / 2)
    assert redis().keys("crontopus:rate:*") == []
    tally.settle(many, SETTLE_S)
    assert redis().get("crontopus:rate:many:host") == b"3"


def test_without_redis_a_process_keeps_to_the_rate_by_itself(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CRONTOPUS_REDIS_URL", "redis://127.0.0.1:1/0")
    from crontopus_app.base.settings import settings

    settings.cache_clear()
    tally = Tally()
    for turn in range(4):
        used(tally, turn * SETTLE_S)
        tally.settle(FEW, turn * SETTLE_S)
    with pytest.raises(RateLimited):
        used(tally, 5.0)
    assert "each process limits" in caplog.text
