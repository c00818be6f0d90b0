"""Hostile YAML gives an error, never a crash or a hang."""

from __future__ import annotations

import time

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from contract.manifest import decode
from contract.yaml_nodes import MAX_BYTES, from_plain, load, plain_type, to_plain
from tests.contract.manifests import FULL, SMALL

LAUGHS = b"a: &a [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 10)}]\n".encode() for n in range(9)
)


@pytest.mark.parametrize(
    ("data", "code", "place"),
    [
        (b"", "empty", (1, 1)),
        (b"\n\n# nothing\n", "empty", (1, 1)),
        (b"a: 1\na: 2\n", "duplicate-key", (2, 1)),
        (b"a: 1\n'a': 2\n", "duplicate-key", (2, 1)),
        (b"a: {b: 1, c: 2, b: 3}\n", "duplicate-key", (1, 17)),
        (b"a: 1\n---\nb: 2\n", "documents", (2, 1)),
        (b"a: !!python/object/apply:os.system [id]\n", "tag", (1, 4)),
        (b"a: !secret x\n", "tag", (1, 4)),
        (b"a: !!str 1\n", "tag", (1, 4)),
        (b"<<: {a: 1}\n", "merge-key", (1, 1)),
        (b"? [a]\n: b\n", "key", (1, 3)),
        (b"a: *b\n", "alias", (1, 4)),
        (b"a: &a [*a]\n", "alias", (1, 8)),
        (LAUGHS, "bomb", None),
        (b"[" * 100_000, "depth", None),
        (b"{a: " * 40_000, "depth", None),
        (b"- " * 100_000, "depth", None),
        (b"x" * (MAX_BYTES + 1), "too-large", (1, 1)),
        (b"a: \xff\xfe\n", "encoding", (1, 4)),
        (b"\xff\xfea\x00:\x00", "encoding", (1, 1)),
        (b"ok: 1\na: \x00\n", "control-character", (2, 4)),
        (b"ok: 1\nb: \x1b[31m\n", "control-character", (2, 4)),
        (b"a: [1, 2\nb: 3\n", "yaml", (2, 2)),
        (b"a: 'open\n", "yaml", None),
        (b"a:\n\t- b\n", "yaml", (2, 1)),
    ],
)
def test_a_hostile_document_is_refused_at_its_place(data: bytes, code: str, place: tuple[int, int] | None) -> None:
    faults = load(data).faults
    assert code in [fault.code for fault in faults]
    if place is not None:
        assert (faults[0].line, faults[0].column) == place
    decoded = decode(data, "production/a.yaml", "acme")
    assert decoded.manifest is None
    assert code in [problem.code for problem in decoded.errors]


def test_a_bomb_costs_nothing() -> None:
    begin = time.process_time()
    load(LAUGHS)
    load(b"[" * MAX_BYTES)
    load(b"a: " + b"&x " * 80_000)
    assert time.process_time() - begin < 2


def test_a_megabyte_is_refused_unread() -> None:
    decoded = decode(b"a: b\n" * 200_000, "production/a.yaml", "acme")
    assert [problem.code for problem in decoded.errors] == ["too-large"]


def test_a_flood_of_errors_is_told_in_short_and_at_once() -> None:
    fields = b"".join(b"  field%d: x\n" % number for number in range(4000))
    begin = time.process_time()
    decoded = decode(SMALL.replace(b"spec: {", b"spec:\n" + fields + b"  x: {"), "production/a.yaml", "acme")
    assert time.process_time() - begin < 2
    assert len(decoded.errors) == 101
    assert decoded.errors[-1].message == "and 3903 more errors from here on"


def test_long_names_and_values_are_told_in_short() -> None:
    key, long = b"k" * 1000, b"v" * 80_000
    data = SMALL.replace(b"spec: {", b"spec: {" + key + b": 1, concurrency: " + long + b", enabled: " + long + b", ")
    decoded = decode(data, "production/a.yaml", "acme")
    assert len(decoded.errors) == 3
    assert all(len(str(error)) < 1000 and len(error.field) <= 200 for error in decoded.errors)


def test_an_honest_anchor_is_followed() -> None:
    document = load(b"a: &x [1, 2]\nb: *x\n")
    assert document.faults == ()
    assert document.root is not None
    assert to_plain(document.root) == {"a": [1, 2], "b": [1, 2]}


def test_faults_do_not_hide_the_errors_of_fields() -> None:
    decoded = decode(SMALL.replace(b"spec: {", b"spec: {nice: 1, nice: 2, foo: 1, "), "production/a.yaml", "acme")
    assert [problem.code for problem in decoded.errors] == ["duplicate-key", "unknown-field"]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
def test_line_ends_and_byte_order_marks_do_not_matter(ending: bytes) -> None:
    decoded = decode(b"\xef\xbb\xbf" + SMALL.replace(b"\n", ending), "production/a.yaml", "acme")
    assert [str(error) for error in decoded.errors] == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("no", "string"),
        ("on", "string"),
        ("06:00", "string"),
        ("2026-11-23", "string"),
        ("1_000", "string"),
        ("0027", "integer"),
        ("-5", "integer"),
        ("0x1F", "integer"),
        ("1e3", "number"),
        (".5", "number"),
        ("-.inf", "number"),
        ("~", "null"),
        ("", "null"),
        ("True", "boolean"),
        ("tRUE", "string"),
    ],
)
def test_plain_scalars_are_what_yaml_1_2_says(text: str, kind: str) -> None:
    assert plain_type(text) == kind


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(PLAIN)
def test_plain_data_survives_the_way_through_nodes(data: object) -> None:
    assert repr(to_plain(from_plain(data))) == repr(data)


@given(st.binary(max_size=400))
@example(b"\xef\xbb\xbf")
@example(b"%YAML 1.1\n--- a")
@example(b"--- |9\n")
@example(b'"\\ud800"')
@example(b"a: !<tag:x> b")
def test_no_bytes_raise(data: bytes) -> None:
    decoded = decode(data, "production/a.yaml", "acme")
    assert decoded.manifest is None
    assert decoded.errors


@given(st.data())
def test_no_damage_to_a_good_manifest_raises(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(FULL)))
    removed = data.draw(st.integers(0, 40))
    inserted = data.draw(st.binary(max_size=8) | st.sampled_from([b"\n", b"&a ", b"*a", b"{", b"]", b"!!x ", b"---\n"]))
    decoded = decode(FULL[:at] + inserted + FULL[at + removed :], "production/db/nightly-backup.yaml", "acme")
    assert (decoded.manifest is None) == bool(decoded.errors)
    assert all(error.line >= 1 and error.column >= 1 for error in decoded.errors)
    assert isinstance(decoded.lints, tuple)


@given(st.text(alphabet="ab:-#&*!|>'\"{}[]%@`,? \n\t0.~", max_size=60))
def test_positions_agree_with_the_pure_python_parser(text: str) -> None:
    """libyaml and PyYAML report the same position of the root, so errors have the same column with both."""
    document = load(text.encode())
    if document.faults or document.root is None:
        return
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return
    assert node is not None
    assert (document.root.line, document.root.column) == (node.start_mark.line + 1, node.start_mark.column + 1)


def test_without_libyaml_the_same_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = decode(FULL, "production/nightly-backup.yaml", "acme")
    # What PyYAML offers where it was built without libyaml.
    monkeypatch.setattr("contract.yaml_nodes._Parser", yaml.SafeLoader)
    assert decode(FULL, "production/nightly-backup.yaml", "acme") == fast
    for hostile in (LAUGHS, b"[" * 5000, b"a: !!x y", b"a: 1\na: 2", b"a: 1\n---\nb: 1"):
        assert load(hostile).faults


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("schedule: */30 * * * sat", 'schedule: "*/30 * * * sat"'),
        ("schedule: @daily  # every night", 'schedule: "@daily"'),
        ("command: %X", 'command: "%X"'),
        ('command: `echo "a"`', r'command: "`echo \"a\"`"'),
    ],
)
def test_a_value_that_needs_quotes_is_shown_in_quotes(line: str, hint: str) -> None:
    (fault,) = load(f"spec:\n  {line}\n".encode()).faults
    assert fault.message.endswith(hint)
    assert (fault.line, fault.column) == (2, line.index(": ") + 5)


@pytest.mark.parametrize("parser", [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)])
@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("a: b: c", "a second `: ` in one value"),
        ("a: 'x", "a quote is not closed"),
        ("a: [1, 2", "a comma or a closing bracket is missing"),
        ("a:\n  b: 1\n c: 2", "the indentation differs from the lines above"),
        ("- a\nb: 1", "the indentation differs from the lines above"),
        ('a: "x\\q"', "an unknown escape"),
        ("- *", "needs quotes around the value"),
        ("- @x", "needs quotes around the value"),
    ],
)
def test_a_syntax_error_names_its_cause_without_the_parsers_jargon(
    text: str, cause: str, parser: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("contract.yaml_nodes._Parser", parser)
    (fault,) = load(text.encode()).faults
    assert fault.message.startswith("this is not valid YAML: ")
    assert cause in fault.message


def test_a_tab_is_named() -> None:
    (fault,) = load(b"spec:\n\tschedule: x\n").faults
    assert "tab" in fault.message
    assert fault.line == 2


def test_data_that_stand_nowhere_are_placed_at_the_first_line() -> None:
    node = from_plain({"a": [1]})
    assert (node.line, node.column, node.value[0][1].line) == (1, 1, 1)
