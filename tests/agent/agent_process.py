"""``crontopus-agent`` as a process that stays: a command per line of standard input, its result as a line of output.

It is the real command line as the user who started it. Starting Python for each command would take a second.
"""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout

from click.testing import CliRunner

from agent.main import main


def serve() -> None:
    answers = sys.stdout
    with redirect_stdout(sys.stderr):
        for line in sys.stdin:
            result = CliRunner().invoke(main, json.loads(line))
            problem = result.exception if result.exception and not isinstance(result.exception, SystemExit) else None
            answers.write(json.dumps([result.exit_code, result.output + (repr(problem) if problem else "")]) + "\n")
            answers.flush()


if __name__ == "__main__":
    serve()
