// The search box, which proposes as one types, and the keys. Both work on every page, also while the next one is still coming.
(() => {
  // React Router's own way to change pages without loading the document again; where it is not there yet, the browser's.
  const go = (path) => { const router = window.__reactRouterDataRouter; router ? router.navigate(path) : location.assign(path); };
  const box = () => document.getElementById("search");
  const make = (name, props, ...children) => { const e = Object.assign(document.createElement(name), props); e.append(...children); return e; };
  const HEADS = { job: "Jobs", run: "Runs", endpoint: "Endpoints", commit: "Commits" };
  const COLOURS = { success: "ok", failed: "failed", timeout: "failed", running: "running", missed: "missed", skipped: "skipped", invalid: "failed",
    "in sync": "ok", behind: "late", waiting: "late", blocked: "failed", revoked: "paused" };
  const PATIENCE_MS = 5000, PAUSE_MS = 120;

  // The list lies outside what React draws.
  let frame = null, asked = 0, timer = 0, at = -1;
  const options = () => frame ? [...frame.querySelectorAll("[role=option]")] : [];
  const build = () => {
    frame = make("div", { id: "found-box" }, make("div", { id: "found" }), make("p", { className: "muted" }));
    frame.firstChild.setAttribute("role", "listbox");
    frame.firstChild.setAttribute("aria-label", "found");
    frame.lastChild.setAttribute("role", "status");
    // The box keeps the focus while one clicks.
    frame.addEventListener("mousedown", (e) => e.preventDefault());
    frame.addEventListener("click", (e) => {
      const one = e.target.closest("[role=option]");
      if (one && !(e.ctrlKey || e.metaKey || e.shiftKey)) { e.preventDefault(); choose(one.getAttribute("href")); }
    });
    document.body.append(frame);
  };
  const shown = () => Boolean(frame && !frame.hidden);
  const close = () => {
    clearTimeout(timer); asked += 1; at = -1;
    if (frame) { frame.hidden = true; frame.firstChild.replaceChildren(); frame.lastChild.textContent = ""; }
    const b = box();
    if (b) { b.setAttribute("aria-expanded", "false"); b.removeAttribute("aria-activedescendant"); }
  };
  const place = () => {
    if (!shown() || !box()) return;
    const b = box().getBoundingClientRect(), width = Math.min(Math.max(b.width, 420), innerWidth - 24);
    Object.assign(frame.style, { top: `${b.bottom + scrollY + 4}px`, left: `${Math.max(12, Math.min(b.left, innerWidth - width - 12))}px`, width: `${width}px` });
  };
  const option = (href, ...children) => {
    const a = make("a", { href, tabIndex: -1 }, ...children);
    a.setAttribute("role", "option");
    a.setAttribute("aria-selected", "false");
    return a;
  };
  const line = (hit) => {
    const dot = make("s", { className: `dot s-${COLOURS[hit.state] || "unknown"}`, title: hit.state });
    return option(hit.href, ...(hit.state ? [dot] : []), make("b", { textContent: hit.title }), make("small", { textContent: hit.state ? `${hit.state} · ${hit.detail}` : hit.detail }));
  };
  const draw = (found) => {
    if (!frame) build();
    frame.firstChild.replaceChildren(...found.groups.map((group) => {
      const lines = group.hits.map(line);
      if (group.more && group.href) lines.push(option(group.href, make("small", { textContent: `all ${HEADS[group.kind].toLowerCase()} found` })));
      const part = make("div", {}, make("h3", { textContent: HEADS[group.kind] }), ...lines);
      part.setAttribute("role", "group");
      part.setAttribute("aria-label", HEADS[group.kind]);
      return part;
    }));
    options().forEach((e, i) => { e.id = `found-${i}`; });
    say(found.count ? `${found.count} found. Enter shows them on a page of their own.` : "Nothing is called so.");
  };
  const say = (words) => {
    if (!frame) build();
    frame.lastChild.textContent = words;
    frame.hidden = false; at = -1;
    box()?.setAttribute("aria-expanded", "true");
    box()?.removeAttribute("aria-activedescendant");
    place();
  };
  const look = async (text) => {
    const mine = ++asked;
    try {
      const answer = await fetch(`/api/search?${new URLSearchParams({ q: text })}`);
      const found = answer.ok ? await answer.json() : null;
      if (mine !== asked || document.activeElement !== box()) return;
      if (found) draw(found); else say(answer.status === 429 ? "Too many searches: wait a moment." : "This cannot be searched now.");
    } catch { if (mine === asked) say("The server does not answer."); }
  };
  const typed = (b) => {
    clearTimeout(timer);
    const text = b.value.trim();
    if (text) timer = setTimeout(() => look(text), PAUSE_MS); else close();
  };
  const choose = (href) => { const b = box(); close(); if (b) { b.value = ""; held = null; b.blur(); } go(href); };
  const mark = (next) => {
    const all = options();
    if (!all.length) return;
    at = (next + all.length) % all.length;
    all.forEach((e, i) => e.setAttribute("aria-selected", String(i === at)));
    all[at].scrollIntoView({ block: "nearest" });
    box().setAttribute("aria-activedescendant", all[at].id);
  };
  const inBox = (e) => {
    if (e.key === "Escape") { e.preventDefault(); shown() ? close() : e.target.blur(); }
    else if (e.key === "ArrowDown" && !shown()) typed(e.target);
    else if (e.key === "ArrowDown" || e.key === "ArrowUp") { e.preventDefault(); mark(e.key === "ArrowDown" ? at + 1 : at < 0 ? -1 : at - 1); }
    else if (e.key === "Enter" && at >= 0) { e.preventDefault(); choose(options()[at].getAttribute("href")); }
  };
  addEventListener("input", (e) => { if (e.target.id === "search") typed(e.target); });
  addEventListener("resize", place);
  // A form of filters becomes an address; what is left empty is not in it.
  addEventListener("submit", (e) => {
    if (e.target.dataset?.go === undefined) return;
    e.preventDefault();
    const asked = new URLSearchParams([...new FormData(e.target)].filter(([, value]) => value.trim()));
    go(asked.size ? `${e.target.getAttribute("action")}?${asked}` : e.target.getAttribute("action"));
  });
  addEventListener("change", (e) => { if (e.target.tagName === "SELECT" && e.target.form?.dataset.go !== undefined) e.target.form.requestSubmit(); });
  addEventListener("submit", (e) => {
    if (e.target.getAttribute?.("role") !== "search") return;
    e.preventDefault();
    const b = box(), text = b.value.trim();
    close(); held = null; b.blur();
    if (text) go(`/search?${new URLSearchParams({ q: text })}`);
  });

  // The box of a page that went with the focus in it hands focus and text to the next page's; so does a key before any box is there.
  let held = null, waiting = null;
  const lost = () => { if (held && !held.isConnected) { waiting = { text: held.value, since: Date.now() }; held = null; } };
  const met = new WeakSet();
  const settle = () => {
    lost();
    const b = box();
    if (!b) return;
    if (waiting && Date.now() - waiting.since < PATIENCE_MS) { b.value = waiting.text; waiting = null; met.add(b); b.focus(); typed(b); }
    waiting = null;
    if (met.has(b)) return;
    met.add(b);
    if (location.pathname.startsWith("/search") && !b.value) b.value = new URLSearchParams(location.search).get("q") || "";
  };
  addEventListener("focusin", (e) => { if (e.target.id === "search") held = e.target; });
  addEventListener("focusout", (e) => {
    if (e.target.id !== "search") return;
    setTimeout(() => { if (e.target.isConnected && document.activeElement !== e.target) { if (held === e.target) held = null; close(); } });
  });
  const watch = () => new MutationObserver(settle).observe(document.body, { childList: true, subtree: true });
  document.readyState === "loading" ? addEventListener("DOMContentLoaded", watch) : watch();

  // Finding within an output: matches are ranges, drawn by the browser, so what React drew stays as it is.
  let matches = [], shownMatch = -1;
  const ranges = (root, wanted) => {
    const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT), nodes = [];
    let text = "";
    for (let n = walk.nextNode(); n; n = walk.nextNode()) { nodes.push([text.length, n]); text += n.nodeValue; }
    const low = text.toLowerCase(), found = [];
    // A letter whose small form is longer would shift all that follows: then nothing is said to be found.
    if (low.length !== text.length) return found;
    let i = 0;
    const point = (at) => { while (i + 1 < nodes.length && nodes[i + 1][0] <= at) i += 1; return [nodes[i][1], at - nodes[i][0]]; };
    for (let at = low.indexOf(wanted); at >= 0 && found.length < 10000; at = low.indexOf(wanted, at + wanted.length)) {
      const range = new Range();
      range.setStart(...point(at)); range.setEnd(...point(at + wanted.length));
      found.push(range);
    }
    return found;
  };
  const find = (input) => {
    const root = document.getElementById(input.dataset.find), wanted = input.value.toLowerCase();
    matches = root && wanted ? ranges(root, wanted) : [];
    shownMatch = -1;
    CSS.highlights?.set("found", new Highlight(...matches));
    CSS.highlights?.delete("found-now");
    step(input, 1);
  };
  const step = (input, by) => {
    const count = input.parentElement.querySelector("[data-find-count]");
    if (!matches.length) { count.textContent = input.value ? "not found" : ""; return; }
    shownMatch = (shownMatch + by + matches.length) % matches.length;
    const range = matches[shownMatch], root = document.getElementById(input.dataset.find);
    CSS.highlights?.set("found-now", new Highlight(range));
    root.scrollTop += range.getBoundingClientRect().top - root.getBoundingClientRect().top - root.clientHeight / 2;
    count.textContent = `${shownMatch + 1} of ${matches.length}`;
  };
  addEventListener("input", (e) => { if (e.target.dataset?.find) find(e.target); });
  addEventListener("keydown", (e) => { if (e.key === "Enter" && e.target.dataset?.find) step(e.target, e.shiftKey ? -1 : 1); });
  addEventListener("click", (e) => {
    const by = e.target.dataset?.findStep;
    if (by) step(e.target.parentElement.querySelector("[data-find]"), Number(by));
  });

  // Keys.
  const GO = { o: "/", j: "/jobs", r: "/runs", e: "/endpoints", p: "/repository" };
  let g = 0;
  const keys = () => { const d = document.getElementById("keys"); if (d && !d.open) d.showModal(); };
  const collect = (e) => {
    if (e.key === "Escape") waiting = null;
    else if (e.key === "Backspace") waiting.text = waiting.text.slice(0, -1);
    else if (e.key.length === 1) { waiting.text += e.key; e.preventDefault(); }
  };
  const act = (e) => {
    if (e.key === "/") {
      e.preventDefault();
      const b = box();
      if (b) { b.focus(); b.select(); } else waiting = { text: "", since: Date.now() };
    } else if (e.key === "?") keys();
    else if (e.key === "n") go("/jobs/new");
    else if (e.key === "g") g = Date.now();
    else if (GO[e.key] && Date.now() - g < 1500) { g = 0; go(GO[e.key]); }
  };
  addEventListener("keydown", (e) => {
    lost();
    if (e.target.id === "search") return inBox(e);
    if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(e.target.tagName)) {
      if (e.key === "Escape") e.target.blur();
      return;
    }
    if (document.querySelector("dialog[open], form[data-door]")) return;
    if (waiting && Date.now() - waiting.since < PATIENCE_MS) collect(e); else act(e);
  });
  addEventListener("click", (e) => { if (e.target.closest?.("[data-act=keys]")) keys(); });
})();
