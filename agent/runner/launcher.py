"""The file that cron starts: the runner's source, which is not compiled again at each start.

Python keeps no compiled copy of a script, and compiling the runner takes longer than the rest of its start. So its
source stands in ``run-job`` as comments, which cost next to nothing, after a few lines that run the compiled copy in
``run-job.cache``. When that copy is missing, damaged or another Python's, the comments are compiled: ``run-job`` needs
no other file.
"""

from __future__ import annotations

import importlib.util
import marshal
import sys

# `_imp.source_hash` is built into the interpreter: it finds damage, which `marshal` might not survive.
HEAD = """\
#!{python} -IS
# Written by crontopus-agent. The runner is the comments below; run-job.cache is the same, compiled.


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
        pass  # the comments have to do
    with open(__file__, encoding="utf-8") as file:
        lines = file.read().split("\\n")
    return compile("\\n".join(["" if n < {head} else line[1:] for n, line in enumerate(lines)]), __file__, "exec")


exec(load())
"""
HEAD_LINES = HEAD.count("\n")


def compiled(source: bytes, path: str) -> bytes:
    """What goes into ``run-job.cache``; a traceback names the lines of ``path``, where they are the comments."""
    return marshal.dumps(compile(b"\n" * HEAD_LINES + source, path, "exec", dont_inherit=True))


def program(source: bytes, python: str, cache: bytes) -> bytes:
    """``run-job`` for this interpreter and this compiled copy."""
    head = HEAD.format(
        python=python,
        version=sys.version,
        key=int.from_bytes(importlib.util.MAGIC_NUMBER, "little"),
        digest=importlib.util.source_hash(cache),
        head=HEAD_LINES,
    )
    body = b"".join(b"#" + line for line in source.splitlines(keepends=True))
    return head.encode("utf-8", "surrogateescape") + body
