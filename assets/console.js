// What the console does in the browser alone: theme, times, copying, signing in. No framework; Reflex draws the pages.
(() => {
  const root = document.documentElement;
  const get = (k) => { try { return localStorage.getItem(k); } catch { return null; } };

  // Theme: light, dark, or the system's when nothing is remembered.
  const theme = () => get("crontopus-theme") || "system";
  const paint = () => {
    if (theme() === "system") delete root.dataset.theme; else root.dataset.theme = theme();
    document.querySelectorAll("[data-theme-pick]").forEach((e) => { e.checked = e.dataset.themePick === theme(); });
  };
  const pick = (name) => { try { localStorage.setItem("crontopus-theme", name); } catch { return; } paint(); };
  addEventListener("change", (e) => { if (e.target.dataset.themePick) pick(e.target.dataset.themePick); });
  paint();

  // Times: relative words, the exact time in three zones for the tip.
  const span = (s) => {
    const d = Math.floor(s / 86400), h = Math.floor(s / 3600) % 24, m = Math.floor(s / 60) % 60;
    if (s < 60) return `${Math.floor(s)} s`;
    if (s < 3600) return `${m} min`;
    if (d < 2) return `${d * 24 + h} h${m && d < 1 ? ` ${m} min` : ""}`;
    return `${Math.round(s / 86400)} d`;
  };
  // One zone a view: the account's, else the browser's. What this browser does not know counts as none.
  const known = {};
  const usable = (zone) => known[zone] ??= (() => { try { Intl.DateTimeFormat("en-GB", { timeZone: zone }); return true; } catch { return false; } })();
  const own = () => { const e = document.querySelector(".app"), zone = e && e.dataset.zone; return zone && usable(zone) ? zone : undefined; };
  const zones = (at, zone) => [[own(), own()], ["", undefined], ["UTC", "UTC"], [zone, zone]]
    .filter(([n, z], i, all) => (i === 1 || n) && all.findIndex((o) => o[1] === z) === i)
    .map(([n, z]) => `${at.toLocaleString("en-GB", { timeZone: z, weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" })} ${n || "here"}`).join("\n");
  const write = (e, words) => { if (e.firstChild && e.firstChild.nodeValue !== words) e.firstChild.nodeValue = words; };
  const date = (at) => at.toLocaleDateString("en-GB", { timeZone: own() });
  const tell = (e) => {
    const at = new Date(e.dateTime);
    if (isNaN(at)) return;
    const left = (at - Date.now()) / 1000, kind = e.dataset.time;
    if (kind === "now") { write(e, at.toLocaleTimeString("en-GB", { timeZone: own(), hour: "2-digit", minute: "2-digit" })); return; }
    if (kind === "since") write(e, span(Math.max(0, -left)));
    else if (kind === "clock") write(e, at.toLocaleTimeString("en-GB", { timeZone: own(), hour: "2-digit", minute: "2-digit" }));
    else if (kind === "day") write(e, at.toLocaleDateString("en-GB", { timeZone: own(), weekday: "short", day: "numeric", month: "short" }));
    else if (kind === "short") write(e, at.toLocaleString("en-GB", { timeZone: own(), ...(date(at) === date(new Date()) ? {} : { day: "numeric", month: "short" }), hour: "2-digit", minute: "2-digit" }));
    else if (kind === "exact") write(e, at.toLocaleString("en-GB", { timeZone: own(), day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" }));
    else if (kind !== "text") write(e, left > 0 ? `in ${span(left)}` : -left < 5 ? "just now" : `${span(-left)} ago`);
    // kit.js shows data-tip on hover and on focus; a moment within a link is reached with the link.
    const exact = zones(at, e.dataset.zone);
    if (e.dataset.tip !== exact) e.dataset.tip = exact;
    if (e.tabIndex < 0 && !e.closest("a,button,summary")) e.tabIndex = 0;
  };
  // On a phone the rail is a bar that scrolls: the page one is on stays in sight.
  let lit = "";
  const sight = () => {
    const on = document.querySelector(".rail a.on"), rail = on && on.closest(".rail");
    if (!on || on.href === lit) return;
    lit = on.href;
    rail.scrollLeft = on.offsetLeft - (rail.clientWidth - on.offsetWidth) / 2;
  };
  const tick = () => {
    sight();
    document.querySelectorAll("time[data-time]").forEach(tell);
    const here = own() || Intl.DateTimeFormat().resolvedOptions().timeZone;
    document.querySelectorAll("[data-own-zone]").forEach((e) => write(e, here));
  };
  setInterval(tick, 1000);
  let waiting = false;
  const soon = () => { if (!waiting) { waiting = true; requestAnimationFrame(() => { waiting = false; tick(); paint(); }); } };
  const begin = () => {
    new MutationObserver(soon).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["datetime", "data-zone"] });
    soon();
  };
  document.readyState === "loading" ? addEventListener("DOMContentLoaded", begin) : begin();

  // Signing in, registering, signing out: the API sets the HttpOnly cookie. A new visitor is a new client for Reflex too.
  const leave = (to) => { try { sessionStorage.removeItem("token"); } catch { /* private mode keeps nothing to remove */ } location.assign(to); };
  const post = (path, body, headers = {}) => fetch(path, { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) });
  // The part of an address after # never reaches the server: the browser keeps it while one signs in.
  const here = () => (location.pathname.replace(/\/+$/, "") || "/") + location.search;
  const kept = "crontopus-hash";
  try { if (location.hash) sessionStorage.setItem(kept, JSON.stringify([here(), location.hash])); } catch { /* private mode keeps nothing */ }
  const hash = (path) => { try { const [at, rest] = JSON.parse(sessionStorage.getItem(kept) || "[]"); return at === path ? rest : ""; } catch { return ""; } };
  // A page of ours, whole: the parser that browsers navigate by drops tabs and takes a backslash for a slash.
  const within = (next) => {
    try { const url = new URL(next, location.origin); return url.origin === location.origin ? url : new URL(location.origin); } catch { return new URL(location.origin); }
  };
  const wanted = () => { const to = within(new URLSearchParams(location.search).get("next") || "/"); to.hash ||= hash(to.pathname + to.search); return to.href; };
  window.crontopusWithin = (next) => within(next).href;
  const door = async (form) => {
    const say = form.querySelector("[role=alert]"), button = form.querySelector("button");
    const fields = Object.fromEntries(new FormData(form));
    const register = form.dataset.door === "register";
    form.querySelectorAll("[data-error]").forEach((e) => { e.textContent = ""; });
    say.textContent = ""; button.disabled = true;
    try {
      if (register) {
        // One for each opened form: whoever sends it again, since no answer came, is registered once.
        form.dataset.once ||= Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
        const made = await post("/api/auth/register", fields, { "Idempotency-Key": form.dataset.once });
        if (!made.ok) return refuse(form, say, await made.json());
      }
      const opened = await post("/api/auth/session", { username: fields.username, password: fields.password });
      if (!opened.ok) return refuse(form, say, await opened.json());
      leave(register ? "/start" : wanted());
    } catch { say.textContent = "The server does not answer. Try again in a moment."; }
    finally { button.disabled = false; }
  };
  const refuse = (form, say, problem) => {
    let placed = false;
    for (const e of problem.errors || []) {
      const at = form.querySelector(`[data-error="${CSS.escape(e.field || "")}"]`);
      if (at) { at.textContent = e.message; placed = true; }
    }
    if (!placed) say.textContent = typeof problem.detail === "string" ? problem.detail : "That was not accepted.";
  };
  addEventListener("submit", (e) => {
    if (e.target.dataset && e.target.dataset.door) { e.preventDefault(); e.stopPropagation(); door(e.target); }
  }, true);

  const copy = async (button) => {
    const from = button.dataset.copy || (document.getElementById(button.dataset.copyFrom) || {}).textContent || "";
    await navigator.clipboard.writeText(from);
    const was = button.firstChild.nodeValue;
    button.firstChild.nodeValue = "copied";
    setTimeout(() => { button.firstChild.nodeValue = was; }, 1200);
  };
  addEventListener("click", (e) => {
    const b = e.target.closest && e.target.closest("[data-copy],[data-copy-from],[data-act]");
    if (!b) return;
    if (b.dataset.copy !== undefined || b.dataset.copyFrom) copy(b);
    else if (b.dataset.act === "in") leave(`/login?next=${encodeURIComponent(here() + location.hash)}`);
    else if (b.dataset.act === "out") post("/api/auth/logout", {}).finally(() => leave("/login"));
    else if (b.dataset.act === "theme") {
      const order = ["system", "light", "dark"];
      pick(order[(order.indexOf(theme()) + 1) % 3]);
    }
  });

  // Time zones are offered from what this browser knows: the page itself need not carry six hundred names.
  addEventListener("focusin", (e) => {
    const list = e.target.dataset && e.target.dataset.zones && document.getElementById(e.target.dataset.zones);
    if (list && !list.firstChild && Intl.supportedValuesOf) list.append(...["UTC", ...Intl.supportedValuesOf("timeZone")].map((zone) => new Option("", zone)));
  });
})();
