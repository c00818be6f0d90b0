"""Settings from the environment: ``CRONTOPUS_NAME``, each also as ``CRONTOPUS_NAME_FILE``.

Read once, by ``settings()``, never at import. An unknown name or an invalid value stops the start with an error that
names the variable.
"""

from __future__ import annotations

import difflib
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from urllib.parse import quote, urlsplit

from crontopus_app.base.errors import ConfigurationError

PREFIX = "CRONTOPUS_"
DEFAULT_BIND = "127.0.0.1:8000"
EMBEDDED_ADMIN = "svc-crontopus"
# URL path of the embedded forge on the web server.
FORGE_PATH = "/forge"
# Internal marker for child processes. Without the prefix, under which unknown names stop the start.
HOME_BY_DEFAULT = "_CRONTOPUS_HOME_BY_DEFAULT"
# A build with this set to 1 includes the page /kit, for developers of the console.
DEVELOPMENT = "CONSOLE_DEVELOPMENT"

# Variables of the agent, the CLI and the tests. They share the prefix; the server ignores them.
OTHER_PROGRAMS = frozenset({"AGENT_STATE", "CRONTAB", "ENROLLMENT_TOKEN", "LOG_FORMAT", "PROFILE", "TOKEN", "URL"})
NAMES = frozenset(
    {
        "HOME",
        "BIND",
        "PUBLIC_URL",
        "DATABASE_URL",
        "REDIS_URL",
        "INTERNAL_URL",
        "FORGEJO_URL",
        "FORGEJO_PUBLIC_URL",
        "FORGEJO_ADMIN_USER",
        "FORGEJO_ADMIN_PASSWORD",
        "FORGEJO_BROAD_TOKENS",
        "SECRET_KEY",
        "TRUSTED_PROXIES",
        "WORKERS",
        "SMTP_URL",
        "MAIL_FROM",
        "ALERT_NETWORKS",
        "HEARTBEAT_URL",
        "METRICS_TOKEN",
        "KEEP_RUNS",
        "KEEP_SUCCESS_OUTPUT",
        "KEEP_FAILURE_OUTPUT",
    }
)


@dataclass(frozen=True)
class Settings:
    """The operator's settings. ``embedded_*`` say which components are the embedded ones.

    ``crontopus_app.forge.addresses`` derives the URLs for hosts and people from these.
    """

    home: Path
    host: str
    port: int
    public_url: str
    internal_url: str
    database_url: str
    redis_url: str
    forgejo_url: str
    forgejo_public_url: str
    forgejo_admin_user: str
    forgejo_admin_password: str
    forgejo_broad_tokens: bool
    secret_key: str
    trusted_proxies: tuple[str, ...]
    workers: int
    smtp_url: str
    mail_from: str
    alert_networks: tuple[IPv4Network | IPv6Network, ...]
    heartbeat_url: str
    metrics_token: str
    keep_runs: timedelta
    keep_success_output: timedelta
    keep_failure_output: timedelta
    embedded_database: bool
    embedded_redis: bool
    embedded_forge: bool

    @property
    def loopback(self) -> bool:
        """Whether only this machine uses the server: bind address and public URL are loopback, no trusted proxy."""
        public = urlsplit(self.public_url).hostname or ""
        return is_loopback(self.host) and is_loopback(public) and not self.trusted_proxies

    @property
    def forge_home(self) -> Path:
        """The data folder of the embedded forge."""
        return self.home / "forge"

    @property
    def secure_cookies(self) -> bool:
        return self.public_url.startswith("https://")


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process. Tests call ``settings.cache_clear()`` after changing the environment."""
    return read(os.environ)


def read(environ: Mapping[str, str]) -> Settings:
    """Settings from ``environ``; raises ConfigurationError that names the invalid variable."""
    values = _values(environ)
    home = Path(values.get("HOME", ".crontopus")).expanduser().resolve()
    host, port = _bind(values.get("BIND", DEFAULT_BIND))
    local_url = _local_url(host, port)
    public_url = _web_address(values, "PUBLIC_URL", local_url)
    embedded_forge = "FORGEJO_URL" not in values
    forgejo_url = _web_address(values, "FORGEJO_URL", local_url + FORGE_PATH)
    forgejo_admin_user, forgejo_admin_password = _forge_login(values, home)
    return Settings(
        home=home,
        host=host,
        port=port,
        public_url=public_url,
        internal_url=_web_address(values, "INTERNAL_URL", local_url if embedded_forge else public_url),
        database_url=_database_url(values, home),
        redis_url=values.get("REDIS_URL") or f"unix://{_in_url(home / 'redis.sock')}",
        secret_key=_secret(values, "SECRET_KEY", home / "secrets" / "secret_key"),
        trusted_proxies=tuple(p.strip() for p in values.get("TRUSTED_PROXIES", "").split(",") if p.strip()),
        workers=_positive("WORKERS", values.get("WORKERS", "1")),
        smtp_url=_smtp_url(values.get("SMTP_URL", "")),
        mail_from=_mail_from(values.get("MAIL_FROM", ""), public_url),
        alert_networks=_networks("ALERT_NETWORKS", values.get("ALERT_NETWORKS", "")),
        heartbeat_url=_web_address(values, "HEARTBEAT_URL", "") if "HEARTBEAT_URL" in values else "",
        metrics_token=_token(values, "METRICS_TOKEN"),
        keep_runs=_days(values, "KEEP_RUNS", 400),
        keep_success_output=_days(values, "KEEP_SUCCESS_OUTPUT", 30),
        keep_failure_output=_days(values, "KEEP_FAILURE_OUTPUT", 180),
        embedded_database="DATABASE_URL" not in values,
        embedded_redis="REDIS_URL" not in values,
        embedded_forge=embedded_forge,
        forgejo_url=forgejo_url,
        forgejo_public_url=_web_address(
            values, "FORGEJO_PUBLIC_URL", public_url + FORGE_PATH if embedded_forge else forgejo_url
        ),
        forgejo_admin_user=forgejo_admin_user,
        forgejo_admin_password=forgejo_admin_password,
        forgejo_broad_tokens=_switch("FORGEJO_BROAD_TOKENS", values.get("FORGEJO_BROAD_TOKENS", "false")),
    )


# Settings whose value is never shown.
SECRETS = frozenset({"FORGEJO_ADMIN_PASSWORD", "SECRET_KEY", "SMTP_URL", "HEARTBEAT_URL", "METRICS_TOKEN"})


def in_force(config: Settings) -> dict[str, str]:
    """The value of each setting as text, by variable name without the prefix. Includes the secrets."""
    return {
        "HOME": str(config.home),
        "BIND": f"{config.host}:{config.port}",
        "PUBLIC_URL": config.public_url,
        "DATABASE_URL": config.database_url,
        "REDIS_URL": config.redis_url,
        "INTERNAL_URL": config.internal_url,
        "FORGEJO_URL": config.forgejo_url,
        "FORGEJO_PUBLIC_URL": config.forgejo_public_url,
        "FORGEJO_ADMIN_USER": config.forgejo_admin_user,
        "FORGEJO_ADMIN_PASSWORD": config.forgejo_admin_password,
        "FORGEJO_BROAD_TOKENS": str(config.forgejo_broad_tokens).lower(),
        "SECRET_KEY": config.secret_key,
        "TRUSTED_PROXIES": ", ".join(config.trusted_proxies),
        "WORKERS": str(config.workers),
        "SMTP_URL": config.smtp_url,
        "MAIL_FROM": config.mail_from,
        "HEARTBEAT_URL": config.heartbeat_url,
        "METRICS_TOKEN": config.metrics_token,
        "KEEP_RUNS": f"{config.keep_runs.days}d",
        "KEEP_SUCCESS_OUTPUT": f"{config.keep_success_output.days}d",
        "KEEP_FAILURE_OUTPUT": f"{config.keep_failure_output.days}d",
        "ALERT_NETWORKS": ", ".join(map(str, config.alert_networks)),
    }


def _days(values: Mapping[str, str], name: str, default: int) -> timedelta:
    text = values.get(name, f"{default}d")
    if not re.fullmatch(r"[1-9][0-9]{0,3}d", text):
        raise ConfigurationError(f"{PREFIX}{name} must be a number of days such as {default}d, not {text!r}.")
    return timedelta(days=int(text[:-1]))


def _token(values: Mapping[str, str], name: str) -> str:
    token = values.get(name, "")
    if token and (len(token) < 16 or not token.isascii() or not token.isprintable() or " " in token):
        raise ConfigurationError(f"{PREFIX}{name} must have 16 or more letters, digits and signs, without blanks.")
    return token


def source(environ: Mapping[str, str], name: str) -> str:
    """The origin of a setting: ``environment``, ``file …`` or ``default``."""
    if environ.get(f"{PREFIX}{name}"):
        return "default" if name == "HOME" and environ.get(HOME_BY_DEFAULT) else "environment"
    path = environ.get(f"{PREFIX}{name}_FILE")
    return f"file {path}" if path else "default"


def keep_home(home: Path) -> None:
    """Exports the absolute data folder, and whether it is the default, for child processes in another folder."""
    if source(os.environ, "HOME") == "default":
        os.environ[HOME_BY_DEFAULT] = "1"
    os.environ["CRONTOPUS_HOME"] = str(home)


def _values(environ: Mapping[str, str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or not value:
            continue
        name = variable.removeprefix(PREFIX)
        from_file = name.endswith("_FILE") and name.removesuffix("_FILE") in NAMES
        name = name.removesuffix("_FILE") if from_file else name
        if name in OTHER_PROGRAMS:
            continue
        if name not in NAMES:
            raise ConfigurationError(_unknown(variable))
        if name in values:
            raise ConfigurationError(f"Set {PREFIX}{name} or {PREFIX}{name}_FILE, not both.")
        values[name] = _from_file(variable, value) if from_file else value
    return values


def _unknown(variable: str) -> str:
    near = difflib.get_close_matches(variable.removeprefix(PREFIX), NAMES, n=1)
    hint = f" Did you mean {PREFIX}{near[0]}?" if near else ""
    return f"{variable} is not a setting of Crontopus.{hint} Unset it or correct its name."


def _from_file(variable: str, path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise ConfigurationError(f"{variable} names {path}, which cannot be read: {error.strerror}.") from error


def _bind(value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigurationError(f"CRONTOPUS_BIND must be HOST:PORT such as {DEFAULT_BIND}, not {value!r}.")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether a host name or IP address means this machine and nothing else."""
    try:
        address = ip_address(host)
    except ValueError:
        return host.lower() == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def local_host(host: str) -> str:
    """The host under which programs on this machine reach a server that listens on ``host``."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 -- recognised, not bound


def _local_url(host: str, port: int) -> str:
    host = local_host(host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _in_url(path: Path) -> str:
    """The path as a URL has it: a name may have ``%``, ``#`` or ``?``."""
    return quote(str(path), safe="/ ")


def _database_url(values: Mapping[str, str], home: Path) -> str:
    url = values.get("DATABASE_URL")
    if url is None:
        return f"sqlite:///{_in_url(home / 'crontopus.db')}"
    scheme, _, location = url.partition("://")
    if scheme in {"postgres", "postgresql", "postgresql+psycopg"}:
        return f"postgresql+psycopg://{location}"
    if scheme == "sqlite":
        return url
    raise ConfigurationError("CRONTOPUS_DATABASE_URL must begin with postgresql:// or sqlite:///.")


def _web_address(values: Mapping[str, str], name: str, default: str) -> str:
    """An http or https URL without a trailing slash."""
    url = values.get(name, default).rstrip("/")
    if not re.match(r"https?://[^/\s]+", url):
        raise ConfigurationError(f"{PREFIX}{name} must be an http or https URL, not {url!r}.")
    return url


def _forge_login(values: Mapping[str, str], home: Path) -> tuple[str, str]:
    """User name and password of the Git server's administrator."""
    if "FORGEJO_URL" not in values:
        user = values.get("FORGEJO_ADMIN_USER", EMBEDDED_ADMIN)
        return user, _secret(values, "FORGEJO_ADMIN_PASSWORD", home / "secrets" / "forge_admin_password")
    for name in ("FORGEJO_ADMIN_USER", "FORGEJO_ADMIN_PASSWORD"):
        if name not in values:
            raise ConfigurationError(f"CRONTOPUS_FORGEJO_URL is set, so CRONTOPUS_{name} must be set too.")
    return values["FORGEJO_ADMIN_USER"], values["FORGEJO_ADMIN_PASSWORD"]


def _secret(values: Mapping[str, str], name: str, path: Path) -> str:
    """The secret set by the operator, or a random one generated once and stored in the data folder (mode 0600)."""
    if name in values:
        if len(values[name]) < 8:
            raise ConfigurationError(f"{PREFIX}{name} is too short: use at least 8 characters.")
        return values[name]
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
    except FileExistsError:
        pass
    except OSError as error:
        raise ConfigurationError(
            f"The data folder {path.parent.parent} is not writable ({error.strerror}). "
            "Make it writable, or set CRONTOPUS_HOME."
        ) from error
    secret = path.read_text().strip()
    if not secret:
        raise ConfigurationError(
            f"{path} is empty because an earlier start was interrupted. Delete it and start again."
        )
    return secret


def _smtp_url(value: str) -> str:
    """``smtp://USER:PASSWORD@HOST:587`` (STARTTLS is required), or ``smtps://…`` (TLS from the start)."""
    if value and (urlsplit(value).scheme not in ("smtp", "smtps") or not urlsplit(value).hostname):
        raise ConfigurationError(
            f"{PREFIX}SMTP_URL must look like smtp://USER:PASSWORD@mail.example.com:587, or smtps:// for TLS from the "
            "start."
        )
    return value


def _mail_from(value: str, public_url: str) -> str:
    host = urlsplit(public_url).hostname or ""
    sender = value or f"crontopus@{'localhost' if ':' in host else host}"
    if not re.fullmatch(r"[^\s@<>\"(),:;]+@[^\s@<>\"(),:;]+", sender):
        raise ConfigurationError(f"{PREFIX}MAIL_FROM must be a mail address, such as crontopus@example.com.")
    return sender


def _networks(name: str, value: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
    except ValueError as error:
        raise ConfigurationError(
            f"{PREFIX}{name} must list networks such as 10.1.0.0/16, separated by commas: {error}."
        ) from error


def _positive(name: str, value: str) -> int:
    if not value.isdigit() or not 1 <= int(value) <= 64:
        raise ConfigurationError(f"{PREFIX}{name} must be a whole number from 1 to 64, not {value!r}.")
    return int(value)


def _switch(name: str, value: str) -> bool:
    if value.lower() not in {"true", "false", "1", "0", "yes", "no"}:
        raise ConfigurationError(f"{PREFIX}{name} must be true or false, not {value!r}.")
    return value.lower() in {"true", "1", "yes"}
