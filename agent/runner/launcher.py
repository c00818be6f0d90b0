"""Builds ``run-job``, the program that cron starts, so that Python need not compile it at each start.

Python keeps no compiled copy of a script, and compiling the runner takes longer than the rest of its start. Therefore
``run-job`` is a few lines that run the compiled copy in ``run-job.cache``, followed by the source as comments. If the
copy is missing, damaged or from another Python, these lines compile the comments: ``run-job`` works on its own.
"""

from __future__ import annotations

import importlib.util
import marshal
import shlex
import sys

# `_imp.source_hash` is built into the interpreter. It detects damage, with which `marshal` could crash.
HEAD = """\
{start}# Written by crontopus-agent. The runner is the comments below; run-job.cache is the same, compiled.


def load():
    import sys

    try:
        import _imp
        import marshal

        with open(__file__ + ".cache", "rb") as file:
            data = file.read()
        if sys.version == {version!r} and _imp.source_hash({key}, data) == {digest!r}:
            return marshal.loads(data)
    except (ImportError, AttributeError, OSError, ValueError, EOFError, TypeError):
        pass  # compile the comments below
    with open(__file__, encoding="utf-8") as file:
        lines = file.read().split("\\n")
    return compile("\\n".join(["" if n < {head} else line[1:] for n, line in enumerate(lines)]), __file__, "exec")


exec(load())
"""
HEAD_LINES = HEAD.count("\n") + 1
# What the kernel accepts as a first line; a path with a blank would be cut there.
LONGEST_START = 120


def compiled(source: bytes, path: str) -> bytes:
    """The contents of ``run-job.cache``. Tracebacks name the lines of ``path``, where the source is in comments."""
    return marshal.dumps(compile(b"\n" * HEAD_LINES + source, path, "exec", dont_inherit=True))


def program(source: bytes, python: str, cache: bytes) -> bytes:
    """The contents of ``run-job`` for this interpreter and this compiled copy."""
    head = HEAD.format(
        start=_start(python),
        version=sys.version,
        key=int.from_bytes(importlib.util.MAGIC_NUMBER, "little"),
        digest=importlib.util.source_hash(cache),
        head=HEAD_LINES,
    )
    body = b"".join(b"#" + line for line in source.splitlines(keepends=True))
    return head.encode("utf-8", "surrogateescape") + body


def _start(python: str) -> str:
    """The lines that make this interpreter run the file. Where the kernel cannot, the shell does it.

    For Python the second line is then a text between three quotes, without effect.
    """
    if not any(letter.isspace() for letter in python) and len(python) < LONGEST_START:
        return f"#!{python} -IS\n"
    return f"#!/bin/sh\n'''exec' {shlex.quote(python)} -IS \"$0\" \"$@\"; ' ''' "
