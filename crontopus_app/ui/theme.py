"""Colour tokens of both themes as CSS variables. No other file names a colour."""

from __future__ import annotations

import reflex as rx

DARK = {
    "bg": "#1b1d27",
    "side": "#16171f",
    "card": "#22242f",
    "line": "#333646",
    "hover": "#2a2d3a",
    "text": "#e9e9f1",
    "muted": "#9a9eb4",
    "accent": "#a98bfa",
    "on-accent": "#17121f",
    "ok": "#3ecf8e",
    "running": "#5cb8ff",
    "late": "#f5b83d",
    "failed": "#ff6470",
    "missed": "#e879c7",
    "unknown": "#7d8299",
}
LIGHT = {
    "bg": "#f6f7f5",
    "side": "#eef1ed",
    "card": "#ffffff",
    "line": "#dfe4dd",
    "hover": "#e6eae5",
    "text": "#1c2320",
    "muted": "#5f6963",
    "accent": "#6741d9",
    "on-accent": "#ffffff",
    "ok": "#1f9d61",
    "running": "#1c7ed6",
    "late": "#b7791f",
    "failed": "#d6303e",
    "missed": "#b0309b",
    "unknown": "#8a918c",
}

# Entry modules in assets/js; the browser loads what they import.
SCRIPTS = (
    "theme",
    "times",
    "rail",
    "acts",
    "connection",
    "timeline",
    "lanes",
    "dialogs",
    "toasts",
    "hints",
    "roving",
    "title",
    "copying",
    "sign-in",
    "search",
    "keys",
    "filters",
    "find",
    "selection",
    "editor",
)

# Runs before the first paint, so that no page flashes in the other theme, and before the websocket opens.
_EARLY = (
    "try{const t=localStorage.getItem('crontopus-theme');"
    "if(t==='light'||t==='dark')document.documentElement.dataset.theme=t}catch{}"
    # Notes the websocket and when its last message (pings included) arrived, for assets/js/connection.js.
    "window.WebSocket=class extends WebSocket{constructor(...a){super(...a);"
    "if(!String(a[0]).includes('/_event'))return;window.crontopusSocket=this;this.addEventListener('message',()=>{"
    "window.crontopusHeard=Date.now();"
    "if(document.documentElement.dataset.link)dispatchEvent(new Event('crontopus-heard'))})}}"
)


def _variables(tokens: dict[str, str], scheme: str) -> str:
    return f"color-scheme:{scheme};" + "".join(f"--{name}:{value};" for name, value in tokens.items())


def css() -> str:
    """CSS of both themes: dark unless the system or the user chose light. ``in-dark``, ``in-light`` force one."""
    dark, light = _variables(DARK, "dark"), _variables(LIGHT, "light")
    return (
        f":root{{{dark}}}"
        f"@media(prefers-color-scheme:light){{:root:not([data-theme=dark]){{{light}}}}}"
        f":root[data-theme=light],.in-light{{{light}}}"
        f".in-dark{{{dark}}}"
    )


def head() -> list[rx.Component]:
    """Elements of every page's ``<head>``."""
    return [
        rx.el.style(css()),
        rx.el.script(_EARLY),
        rx.el.link(rel="icon", href="/favicon.svg", type="image/svg+xml"),
        rx.el.link(
            rel="preload", href="/fonts/Inter-Regular.woff2", custom_attrs={"as": "font"}, cross_origin="anonymous"
        ),
        *[rx.el.script(src=f"/js/{name}.js", type="module") for name in SCRIPTS],
    ]
