"""Kinds of values: what each reads, writes and reports."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import jsonschema
import pytest

from contract.manifest_fields import JOB, SPEC
from contract.manifest_kinds import (
    BAD,
    Boolean,
    Choice,
    Either,
    Integer,
    Kind,
    ListOf,
    MapOf,
    Number,
    Reader,
    Text,
    did_you_mean,
    duration,
    size,
)
from contract.manifest_object import Field, Object
from contract.manifest_types import OutputSpec
from contract.policy_fields import DateTime, instant
from contract.yaml_nodes import from_plain

NAME = Text("a name", r"^[a-z]+\Z", "is not a valid name", 8)
PAIR = Object(
    (
        Field("first", "head", Integer(0, 9), "one", required=True, example="3"),
        Field("second", "tail", Integer(0, 9), "two"),
        Field("old", "mail", NAME, "before", legacy=True),
    ),
    OutputSpec,
    moved={"third": "write `second`"},
)


def read(kind: Kind, data: Any) -> tuple[Any, list[str]]:
    reader = Reader("f.yaml")
    value = kind.read(from_plain(data), "x", reader)
    return value, [error.message for error in reader.errors]


@pytest.mark.parametrize(
    ("kind", "data", "value"),
    [
        (NAME, "abc", "abc"),
        (Text(loose=True), 5, "5"),
        (Text(loose=True), True, "true"),
        (Text(empty=True), "", ""),
        (Text(lines=True), "a\nb\tc", "a\nb\tc"),
        (Integer(-5, 5), -5, -5),
        (Number(), 1, 1.0),
        (Number(), 0.25, 0.25),
        (Boolean(), False, False),
        (Choice(("a", "b")), "b", "b"),
        (duration(), "1h1s", timedelta(seconds=3601)),
        (duration(), 90, timedelta(seconds=90)),
        (size(2048), "2KiB", 2048),
        (ListOf(NAME), [], ()),
        (ListOf(NAME), ["a", "b"], ("a", "b")),
        (ListOf(NAME, single=True), "a", ("a",)),
        (MapOf(NAME, Integer(0, 9)), {"a": 1}, {"a": 1}),
        (Either(Integer(1, 9), ("integer",), Choice(("all",))), 4, 4),
        (Either(Integer(1, 9), ("integer",), Choice(("all",))), "all", "all"),
        (PAIR, {"first": 1}, OutputSpec(head=1)),
        (PAIR, {"first": 1, "second": 2, "old": "x"}, OutputSpec(1, 2, "x")),
        (DateTime(), "2026-11-23T10:00:00Z", instant("2026-11-23T10:00:00+00:00")),
    ],
)
def test_a_good_value_is_read_written_back_and_in_the_schema(kind: Kind, data: Any, value: Any) -> None:
    assert read(kind, data) == (value, [])
    jsonschema.validate(data, kind.schema())
    if kind is not PAIR:
        plain = kind.plain(value)
        assert read(kind, plain) == (value, [])
        jsonschema.validate(plain, kind.schema())


@pytest.mark.parametrize(
    ("kind", "data", "message"),
    [
        (NAME, "ABC", "`x` 'ABC' is not a valid name"),
        (NAME, "abcdefghi", "`x` is longer than 8 characters"),
        (NAME, 5, "`x` must be text, not an integer; put it in quotes: '5'"),
        (NAME, None, "`x` must be text, not empty; put it in quotes: 'null'"),
        (NAME, {}, "`x` must be text, not a map"),
        (Text(), "a\nb", "`x` must be a single line"),
        (Text(), "\t", "`x` must not be empty"),
        (Text(), "\x7f", "`x` contains the control character U+007F"),
        (Text(check=lambda _: "is odd"), "a", "`x` is odd"),
        (Integer(1, 9), 0, "`x` must be from 1 to 9, not 0"),
        (Integer(1, 9), 10**12, "`x` must be a decimal integer of at most nine digits, not an integer"),
        (Integer(1, 9), "5", "`x` must be an integer, not a string"),
        (Number(), 1.5, "`x` must be from 0 to 1, not 1.5"),
        (Boolean(), "yes", "`x` must be true or false, not 'yes'"),
        (Boolean(), [], "`x` must be true or false"),
        (Choice(("allow", "forbid")), "alow", "`x` must be allow or forbid, not 'alow'; did you mean `allow`?"),
        (Choice(("a", "b")), [], "`x` must be a or b, not a list"),
        (duration(), True, "`x` must be a duration, not a boolean"),
        (duration(most=timedelta(hours=1)), "2h", "`x` must be from 1s to 1h, not 2h"),
        (size(1024), "2KiB", "`x` must be from 0 to 1KiB, not 2KiB"),
        (size(1024), "2 kB", "`x` is not a size; write 4096 (bytes), 16KiB or 1MiB"),
        (ListOf(NAME, least=1), [], "`x` must have 1 to 1000 entries"),
        (ListOf(NAME, unique=True), ["a", "a"], "`x` contains an entry twice"),
        (ListOf(NAME), ["a", "B"], "`x[1]` 'B' is not a valid name"),
        (MapOf(NAME, Integer(0, 9)), [], "`x` must be a map, not a list"),
        (MapOf(NAME, Integer(0, 9)), {"A": 1}, "`x key` 'A' is not a valid name"),
        (MapOf(NAME, Integer(0, 9)), {"a": 11}, "`x.a` must be from 0 to 9, not 11"),
        (MapOf(NAME, Integer(0, 9), most=1), {"a": 1, "b": 2}, "`x` has more than 1 entries"),
        (Either(Integer(1, 9), ("integer",), Choice(("all",))), "most", "`x` must be all, not 'most'"),
        (PAIR, {}, "`x.first` is missing, for example `first: 3`"),
        (PAIR, {"first": None}, "`x.first` is missing, for example `first: 3`"),
        (PAIR, {"first": 1, "third": 2}, "`x.third` is not a field: write `second`"),
        (PAIR, {"first": 1, "secnd": 2}, "`x.secnd` is not a field; did you mean `second`?"),
        (PAIR, {"first": 1, "zzz": 2}, "`x.zzz` is not a field; fields here: first, second"),
        (PAIR, [], "`x` must be a map, not a list"),
        (DateTime(), "2026-11-23T10:00:00", "is not a date and time with a zone"),
        (DateTime(), 5, "`x` must be a date and time, ISO 8601 with zone, not an integer"),
    ],
)
def test_a_bad_value_is_told_and_marked(kind: Kind, data: Any, message: str) -> None:
    value, errors = read(kind, data)
    assert value is BAD
    assert len(errors) == 1
    assert message in errors[0]


def test_an_object_writes_back_only_what_is_not_default() -> None:
    assert PAIR.plain(OutputSpec(head=3)) == {"first": 3}
    assert PAIR.plain(OutputSpec(head=3, tail=4, mail="x")) == {"first": 3, "second": 4}
    assert PAIR.default(PAIR.fields[0]) is BAD
    assert PAIR.default(PAIR.fields[1]) == 48 * 1024


def test_suggestions_ignore_case_and_keep_quiet_about_strangers() -> None:
    assert did_you_mean("WORKINGDIR", ["workingDir", "env"]) == "; did you mean `workingDir`?"
    assert did_you_mean("zzzz", ["workingDir", "env"]) == ""
    assert did_you_mean("", ["env"]) == ""


def test_the_tables_are_sound() -> None:
    def check(table: Object) -> None:
        names = [entry.name for entry in table.fields]
        assert len(set(names)) == len(names)
        assert len({entry.attr for entry in table.fields}) == len(names)
        assert not set(names) & set(table.moved)
        for entry in table.fields:
            assert entry.doc
            if isinstance(entry.kind, Object):
                check(entry.kind)

    check(JOB)


@pytest.mark.parametrize("entry", SPEC.fields, ids=lambda entry: entry.name)
def test_every_spec_field_has_words_and_a_schema(entry: Field) -> None:
    assert entry.kind.words
    jsonschema.Draft202012Validator.check_schema(entry.kind.schema())
