"""The editor's form and YAML: each follows the other without losing anything."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crontopus_app.ui.edit import form as forms
from crontopus_app.ui.edit.form import Form
from tests.cast import JOB_ID
from tests.ui.editing import FILE


def test_the_form_shows_the_manifests_values() -> None:
    form = forms.shown(FILE, Form())
    assert (form.name, form.schedule, form.timezone, form.owner) == ("backup", "0 2 * * *", "Europe/Berlin", "ops")
    assert (form.command, form.env, form.selector) == ("/opt/dump\n\n/opt/send\n", "A=1", "role=db, replica")
    assert forms.changed(FILE, form) == (FILE, "")


def test_a_field_changes_its_own_line_only() -> None:
    form = replace(forms.shown(FILE, Form()), timezone="Asia/Tokyo", env="A=1\nB=x y", attempts="3")
    text, note = forms.changed(FILE, form)
    assert note == ""
    kept = [line for line in FILE.splitlines() if "Berlin" not in line]
    assert [line for line in text.splitlines() if line in kept] == kept
    assert "  timezone: Asia/Tokyo  # the office\n" in text
    assert '    A: "1"   # one\n    B: x y\n' in text
    assert text.endswith("  retry:\n    attempts: 3\n")


def test_a_block_of_lines_stays_one() -> None:
    text, _ = forms.changed(FILE, replace(forms.shown(FILE, Form()), command="/opt/dump\n/opt/verify"))
    assert "  command: |-  # two steps\n    /opt/dump\n    /opt/verify\n  env:" in text


@pytest.mark.parametrize("name", sorted(forms.PLACES))
def test_every_field_goes_to_the_text_and_back(name: str) -> None:
    samples = {"enabled": "", "env": "A=1\nB=two words", "labels": "team=ops", "selector": "role=db\nzone=a, b"}
    samples |= {"args": "--one\ntwo  three", "endpoints": "db01, db02", "schedule": "0 1 * * *; 0 2 * * *"}
    form = replace(Form(name="a", schedule="@daily", command="x"), **{name: samples.get(name, "12")})
    text, note = forms.changed(forms.fresh(Form(), JOB_ID), form)
    assert note == ""
    assert forms.shown(text, Form()) == form


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40), st.sampled_from(sorted(forms.PLACES)))
def test_nothing_typed_breaks_the_text_or_touches_another_line(typed: str, name: str) -> None:
    form = replace(forms.shown(FILE, Form()), **{name: typed})
    text, _ = forms.changed(FILE, form)
    assert "# ours" in text
    assert "# at night" in text
    back = asdict(forms.shown(text, Form()))
    others = {key: value for key, value in asdict(form).items() if key != name}
    assert {key: value for key, value in back.items() if key != name} == others


def test_a_text_that_is_no_yaml_leaves_the_form_and_is_not_changed_by_it() -> None:
    form = Form(name="kept")
    assert forms.shown("a: [", form) == form
    assert forms.changed("a: [", form)[0] == "a: ["
    assert "cannot be edited" in forms.changed("a: [", form)[1]


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("spec.schedule[1]", "schedule"), ("spec.env.PATH", "env"), ("spec.env key", "env"), ("metadata.name", "name"),
        ("namespace", "namespace"), ("spec.checkin.maxRuntime", "limit"), ("spec.commander", ""), ("", ""),
    ],
)  # fmt: skip
def test_an_error_belongs_to_an_input(place: str, name: str) -> None:
    assert forms.field_at(place) == name
