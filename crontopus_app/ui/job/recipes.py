"""Recipes that report a job's runs to its ping URL."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CRON = re.compile(r"@[a-z]+|[^H·\s]+(?: [^H·\s]+){4}")


@dataclass(frozen=True)
class Recipe:
    title: str
    text: str


@dataclass(frozen=True)
class Pings:
    """The ping URL, and recipes to copy. Without a URL, the job runs on hosts or is not the reader's to write."""

    url: str = ""
    recipes: tuple[Recipe, ...] = ()


def pings(url: str, cron: str) -> Pings:
    """``cron`` is the job's schedule in one line."""
    if not url:
        return Pings()
    return Pings(url, tuple(Recipe(title, text.replace("{url}", url)) for title, text in _texts(cron).items()))


def _texts(cron: str) -> dict[str, str]:
    line = cron if _CRON.fullmatch(cron) else "0 2 * * *"
    return {
        "Cron": f"{line} /path/to/job; curl -fsS -m 10 --retry 5 -o /dev/null {{url}}/$?",
        "With start, output and duration": (
            "curl -fsS -m 10 --retry 5 -o /dev/null {url}/start\n"
            "out=$(/path/to/job 2>&1); status=$?\n"
            'printf %s "$out" | curl -fsS -m 10 --retry 5 -o /dev/null --data-binary @- {url}/$status'
        ),
        "systemd (in the .service)": (
            "[Service]\n"
            "ExecStartPre=-/usr/bin/curl -fsS -m 10 --retry 5 -o /dev/null {url}/start\n"
            "ExecStart=/path/to/job\n"
            'ExecStopPost=-/bin/sh -c \'if [ "$$SERVICE_RESULT" = success ]; then end=; else end=/fail; fi; '
            'exec curl -fsS -m 10 --retry 5 -o /dev/null "{url}$$end"\''
        ),
        "Kubernetes (in the CronJob's container)": (
            'command: ["/bin/sh", "-c"]\n'
            "args:\n"
            "  - |\n"
            "    wget -q -O /dev/null {url}/start || true\n"
            "    /path/to/job; status=$?\n"
            "    wget -q -O /dev/null {url}/$status || true\n"
            "    exit $status"
        ),
        "PowerShell": (
            "Invoke-RestMethod -Uri {url}/start -TimeoutSec 10\n"
            "& C:\\path\\to\\job.exe\n"
            "Invoke-RestMethod -Uri {url}/$LASTEXITCODE -TimeoutSec 10"
        ),
        "Python": (
            "import urllib.request\n\n"
            "def ping(action=''):\n"
            "    try:\n"
            "        urllib.request.urlopen('{url}' + action, timeout=10)\n"
            "    except OSError as error:  # the job goes on\n"
            "        print('ping failed:', error)\n\n"
            "ping('/start')\n"
            "try:\n"
            "    job()\n"
            "except BaseException:\n"
            "    ping('/fail')\n"
            "    raise\n"
            "ping()"
        ),
    }
