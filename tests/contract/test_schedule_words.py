"""Schedules in words."""

from __future__ import annotations

import pytest
from hypothesis import given

from contract.schedule import explain, words
from tests.contract.schedule_oracle import expressions


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 2 * * *", "at 02:00"),
        ("@daily", "at 00:00"),
        ("15 6,18 * * *", "at 06:15 and 18:15"),
        ("*/20 2 * * *", "at 02:00, 02:20 and 02:40"),
        ("* * * * *", "every minute"),
        ("*/30 * * * *", "every 30 minutes"),
        ("5,35 * * * *", "every 30 minutes from minute 5"),
        ("*/7 * * * *", "every 7th minute of every hour"),
        ("0 * * * *", "every hour"),
        ("5 * * * *", "5 minutes past every hour"),
        ("1 * * * *", "1 minute past every hour"),
        ("1,2,40 * * * *", "1, 2 and 40 minutes past every hour"),
        ("10-20 * * * *", "minutes 10 to 20 past every hour"),
        ("0 */2 * * *", "every 2 hours"),
        ("5 */2 * * *", "5 minutes past every 2nd hour"),
        ("20 */4 * * *", "20 minutes past every 4th hour"),
        ("0 */8 * * *", "at 00:00, 08:00 and 16:00"),
        ("0 1-23/2 * * *", "every 2 hours from 01:00 to 23:00"),
        ("*/15 9-17 * * *", "every 15 minutes from 09:00 to 17:45"),
        ("* 9 * * *", "every minute from 09:00 to 09:59"),
        ("*/15 8,12 * * *", "every 15 minutes in the hours 08 and 12"),
        ("1,2,7 3,5,9 * * *", "1, 2 and 7 minutes past the hour in the hours 03, 05 and 09"),
        ("0 0,3,4,8,9,17,20 * * *", "on the hour in the hours 00, 03, 04, 08, 09, 17 and 20"),
        ("0 7 * * 1-5", "at 07:00 on weekdays"),
        ("0 7 * * 6,0", "at 07:00 on weekends"),
        ("0 7 * * 6,7", "at 07:00 on weekends"),
        ("41 3 * * MON", "at 03:41 on Monday"),
        ("0 7 * * 2,4", "at 07:00 on Tuesday and Thursday"),
        ("0 7 * * 1-4", "at 07:00 from Monday to Thursday"),
        ("0 0 * * MON#2", "at 00:00 on the 2nd Monday of the month"),
        ("0 0 * * 5L", "at 00:00 on the last Friday of the month"),
        ("0 3 * * SUN#1,SAT", "at 03:00 on Saturday and the 1st Sunday of the month"),
        ("0 0 1,15 * *", "at 00:00 on the 1st and 15th of the month"),
        ("0 0 11,22 * *", "at 00:00 on the 11th and 22nd of the month"),
        ("0 0 1-7 * *", "at 00:00 from the 1st to the 7th of the month"),
        ("0 0 */2 * *", "at 00:00 every 2nd day of the month"),
        ("0 0 L * *", "at 00:00 on the last day of the month"),
        ("0 0 LW * *", "at 00:00 on the last weekday of the month"),
        ("0 0 1 * MON", "at 00:00 on the 1st of the month and on Monday"),
        ("0 0 */2 * MON", "at 00:00 every 2nd day of the month if it is a Monday"),
        ("0 0 */2 * MON,WED", "at 00:00 every 2nd day of the month if it is a Monday or a Wednesday"),
        ("@yearly", "at 00:00 on 1 January"),
        ("0 0 1 3,6 *", "at 00:00 on the 1st of the month in March and June"),
        ("0 0 * 3-6 *", "at 00:00 from March to June"),
        ("@reboot", "at every start of the host"),
        ("H H * * *", "once a day, at each endpoint's own time"),
        ("H * * * *", "once an hour, at each endpoint's own minute"),
        ("H/15 * * * *", 'at a time of "H/15 * * * *" that differs per endpoint'),
        (["0 2 * * *", "0 7 * * 1-5"], "at 02:00; at 07:00 on weekdays"),
        (["@daily", "0 0 * * *"], "at 00:00"),
        ("0 0 1-31 * 4", "at 00:00"),
        ("0 0 15 * 0-7", "at 00:00"),
        ("0 0 1-31 * 1#1", "at 00:00"),
        ("0 0 */1 * 4", "at 00:00 on Thursday"),
        ("*/50 * * * *", "0 and 50 minutes past every hour"),
    ],
)
def test_the_short_form(expression: str, expected: str) -> None:
    assert words(expression) == expected


@pytest.mark.parametrize(
    ("expression", "zone", "expected"),
    [
        ("0 2 * * *", "Europe/Berlin", "At 02:00, every day, Europe/Berlin"),
        ("0 2 * * *", None, "At 02:00, every day"),
        ("0 7 * * 1-5", "UTC", "At 07:00, on weekdays, UTC"),
        ("*/30 * * * *", "UTC", "Every 30 minutes, UTC"),
        ("@reboot", None, "At every start of the host"),
        ("H/15 * * * *", None, 'At a time of "H/15 * * * *" that differs per endpoint'),
        (["0 2 * * *", "0 7 * * 1-5"], "UTC", "At 02:00, every day; at 07:00, on weekdays, UTC"),
    ],
)
def test_the_long_form(expression: str, zone: str | None, expected: str) -> None:
    assert explain(expression, zone) == expected


@given(expressions)
def test_there_are_words_for_everything(expression: str) -> None:
    text = words(expression)
    assert text
    assert text == text.strip()
    assert "  " not in text
