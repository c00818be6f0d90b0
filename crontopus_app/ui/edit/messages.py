"""Messages between edit.js and the server. Each carries a sequence number; answers to older input are discarded.

The browser holds the texts, so that no answer ever overwrites newer typing.
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
    """``side`` is where the user typed last; ``dirty`` are form fields whose value is not in the YAML yet.

    A draft and a save name the file they started from, ``base`` with its blob's ``sha``: a restarted server, which
    has forgotten it, overwrites nobody's change.
    """

    seq: int = 0
    side: str = "yaml"
    yaml: str = ""
    form: Form = field(default_factory=Form)
    dirty: frozenset[str] = field(default_factory=frozenset)
    base: str = ""
    sha: str = ""


def read(form: Mapping[str, Any], place: str) -> EditMessage:
    """The message in a submitted form. Raises BadInput for anything that edit.js does not send for ``place``."""
    try:
        body = json.loads(str(form.get("sent", ""))[: 4 * MAX_BYTES])
        given, dirty = dict(body.get("form") or {}), body.get("dirty") or []
        fields = {name: _text(given[name], LONGEST_FIELD) for name in NAMES if name in given}
        if body["side"] not in SIDES or body["place"] != place:
            raise ValueError(body["side"])
        texts = {name: _text(body.get(name, ""), MAX_BYTES) for name in ("yaml", "base", "sha")}
        unsaved = frozenset(str(name) for name in dirty) & set(NAMES)
        return EditMessage(seq=int(body["seq"]), side=body["side"], form=Form(**fields), dirty=unsaved, **texts)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise BadInput("The editor sent an invalid message. Reload the page.") from error


def _text(value: Any, longest: int) -> str:
    """``value`` as valid Unicode of at most ``longest`` characters; lone surrogates become question marks."""
    return str(value)[:longest].encode("utf-8", "replace").decode()


def answer(why: str, message: EditMessage, **more: Any) -> str:
    """An answer as JSON. ``why`` is load, form, yaml, base, saved or merged; ``yaml`` or ``form`` None: unchanged."""
    body = {"why": why, "seq": message.seq, "serial": secrets.token_hex(6), "yaml": None, "form": None, **more}
    if isinstance(body["form"], Form):
        body["form"] = asdict(body["form"])
    return json.dumps(body)
