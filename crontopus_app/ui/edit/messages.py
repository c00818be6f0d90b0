"""What the editor in the browser says and is told: one message each way, told apart by a number.

The texts belong to the browser, so that no answer ever overwrites newer typing: each message carries the number of the
last key it knows of, each answer the number it answers, and only the answer to the newest is written.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from contract.jobs_in_tree import MAX_BYTES
from crontopus_app.base.errors import BadInput
from crontopus_app.ui.edit.form import NAMES, Form

SIDES = ("form", "yaml", "draft", "merge")
LONGEST_FIELD = 20_000


@dataclass(frozen=True)
class EditMessage:
    """``side`` is where was typed last; ``dirty`` are the form's fields that the YAML does not say yet.

    A draft (kept in the browser) and a save say on what they stand: ``base`` and its blob's ``sha``, so that a server
    that was started anew overwrites nobody's change.
    """

    seq: int = 0
    side: str = "yaml"
    yaml: str = ""
    form: Form = field(default_factory=Form)
    dirty: frozenset[str] = field(default_factory=frozenset)
    base: str = ""
    sha: str = ""


def read(form: Mapping[str, Any], place: str) -> EditMessage:
    """The message in a submitted form; raises BadInput for anything that our script does not send for this place."""
    try:
        told = json.loads(str(form.get("sent", ""))[: 4 * MAX_BYTES])
        given, dirty = dict(told.get("form") or {}), told.get("dirty") or []
        fields = {name: _text(given[name], LONGEST_FIELD) for name in NAMES if name in given}
        if told["side"] not in SIDES or told["place"] != place:
            raise ValueError(told["side"])
        texts = {name: _text(told.get(name, ""), MAX_BYTES) for name in ("yaml", "base", "sha")}
        known = frozenset(str(name) for name in dirty) & set(NAMES)
        return EditMessage(seq=int(told["seq"]), side=told["side"], form=Form(**fields), dirty=known, **texts)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise BadInput("The editor's message cannot be read: load the page again.") from error


def _text(value: Any, longest: int) -> str:
    """As Unicode text that can be written: half a surrogate pair becomes a question mark."""
    return str(value)[:longest].encode("utf-8", "replace").decode()


def answer(why: str, message: EditMessage, **more: Any) -> str:
    """``why`` is load, form, yaml, base, saved or merged. ``yaml`` or ``form`` None: what is typed there stays."""
    told = {"why": why, "seq": message.seq, "serial": secrets.token_hex(6), "yaml": None, "form": None, **more}
    if isinstance(told["form"], Form):
        told["form"] = asdict(told["form"])
    return json.dumps(told)
