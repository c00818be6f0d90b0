// The editor of New and Edit. The texts belong to the browser: what is typed is sent after a short rest, and an answer is
// written only if nothing was typed since. What is not saved is kept in this browser, for this user and this job.
(() => {
  const REST = 70, LOST = 10_000, DAYS = 30, KEY = "crontopus-draft:";
  const byId = (id) => document.getElementById(id);
  const memory = new Map(), unkept = new Set();
  const store = {
    get: (k) => { try { return localStorage.getItem(k) ?? memory.get(k) ?? null; } catch { return memory.get(k) ?? null; } },
    set: (k, v) => { memory.set(k, v); try { localStorage.setItem(k, v); unkept.delete(k); } catch { unkept.add(k); /* full or forbidden: this tab has it */ } },
    drop: (k) => { memory.delete(k); unkept.delete(k); try { localStorage.removeItem(k); } catch { /* nothing was kept */ } },
    keys: () => { let own = []; try { own = Object.keys(localStorage); } catch { /* none */ } return [...new Set([...own, ...memory.keys()])].filter((k) => k.startsWith(KEY)); },
  };

  let at = null;          // whose text this is and what it stands on: user, place, base, sha
  let seq = 0;            // counts what is typed; an answer to an older number is not written
  let asked = 0;          // when the last message went, 0 once it is answered
  let timer = 0, seen = "", before = null, focus = null, typed = false, when = "";
  const dirty = new Set();

  const area = () => byId("yaml");
  const inputs = () => [...document.querySelectorAll("[data-edit-field]")];
  const valueOf = (e) => e.type === "checkbox" ? (e.checked ? "yes" : "") : e.value;
  const form = () => Object.fromEntries(inputs().map((e) => [e.dataset.editField, valueOf(e)]));
  const here = () => { const p = location.pathname.replace(/\/$/, "").split("/").map(decodeURIComponent); return p[2] === "new" ? "new" : `${p[2]}/${p[3]}`; };
  const key = () => `${KEY}${at.user}:${at.place}`;

  // Writing keeps the caret where it stands in the text, in whichever input it is.
  const write = (e, text) => {
    if (e.type === "checkbox") { e.checked = text !== ""; return; }
    if (e.value === text) return;
    const old = e.value, inside = document.activeElement === e && e.selectionStart !== null;
    const [start, end] = inside ? [e.selectionStart, e.selectionEnd] : [0, 0];
    e.value = text;
    if (!inside) return;
    let head = 0, tail = 0;
    const most = Math.min(old.length, text.length);
    while (head < most && old[head] === text[head]) head++;
    while (tail < most - head && old[old.length - 1 - tail] === text[text.length - 1 - tail]) tail++;
    const moved = (i) => i <= head ? i : i >= old.length - tail ? i + text.length - old.length : Math.min(i, text.length - tail);
    e.setSelectionRange(moved(start), moved(end));
  };
  const put = (yaml, fields) => {
    if (yaml !== null && area()) write(area(), yaml);
    if (fields !== null) inputs().forEach((e) => write(e, fields[e.dataset.editField] ?? ""));
    draw();
  };

  // Line numbers, and boxes as high and wide as their text, so that one box scrolls it all.
  const draw = () => {
    document.querySelectorAll("textarea[data-ed]").forEach((e) => {
      const lines = e.value.split("\n"), numbers = document.querySelector(`[data-ed-numbers="${e.id}"]`);
      const rows = String(Math.max(lines.length, 12)), said = lines.map((_, i) => i + 1).join("\n");
      if (e.getAttribute("rows") !== rows) e.setAttribute("rows", rows);
      e.style.minWidth = `${Math.max(...lines.map((l) => l.length)) + 4}ch`;
      if (numbers && numbers.textContent !== said) numbers.textContent = said;
    });
    document.querySelectorAll("details.fold").forEach((d) => {
      const set = [...d.querySelectorAll("[data-edit-field]")].filter((e) => e.value).map((e) => e.closest("label").firstChild.nodeValue.toLowerCase());
      if (set.length) d.firstChild.dataset.set = set.join(", "); else delete d.firstChild.dataset.set;
    });
    document.querySelectorAll("textarea[data-grow]").forEach((e) => {
      e.setAttribute("rows", String(Math.min(Math.max(e.value.split("\n").length, +e.dataset.grow), 12)));
    });
  };

  // What is not saved.
  const keep = () => {
    if (!at) return;
    const yaml = area() ? area().value : at.base;
    const same = yaml === at.base && !dirty.size, mark = byId("edit-unsaved");
    if (mark) mark.hidden = same;
    if (same) { store.drop(key()); return; }
    store.set(key(), JSON.stringify({ yaml, form: form(), dirty: [...dirty], base: at.base, sha: at.sha, before, at: when }));
  };
  const tidy = () => store.keys().forEach((k) => {
    let then = 0;
    try { then = Date.parse(JSON.parse(store.get(k)).at); } catch { /* not ours: dropped */ }
    if (!(then > Date.now() - DAYS * 86_400_000)) store.drop(k);
  });
  const kept = () => { try { return JSON.parse(store.get(key())); } catch { return null; } };
  const note = (draft) => {
    const box = byId("edit-draft");
    if (!box) return;
    box.hidden = !draft;
    if (draft) byId("edit-draft-at").textContent = new Date(draft.at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  };

  // Talking with the page's state.
  const say = (port, side) => {
    const to = document.querySelector(`[data-edit-port="${port}"]`);
    if (!to || !at || !area()) return;
    // The server may have started anew since the last answer: what must not go wrong says on what it stands.
    const more = side === "draft" || port === "save" ? { base: at.base, sha: at.sha } : {};
    to.elements.sent.value = JSON.stringify({ seq, side, place: at.place, yaml: area().value, form: form(), dirty: [...dirty], ...more });
    to.requestSubmit();
  };
  const side = () => typed || !dirty.size ? "yaml" : "form";
  const flush = () => {
    clearTimeout(timer); timer = 0;
    if (asked && Date.now() - asked < LOST) return;
    asked = Date.now();
    say("sent", side());
  };
  const soon = () => { clearTimeout(timer); timer = setTimeout(flush, REST); };
  const clean = () => { dirty.clear(); typed = false; };

  const open = (a) => {
    const again = at && at.user === a.user && at.place === a.place;
    at = { user: a.user, place: a.place, base: a.base, sha: a.sha };
    const draft = kept();
    clean();
    if (draft && (draft.yaml !== a.yaml || draft.dirty.length)) {
      if (draft.sha || a.place === "new") Object.assign(at, { base: draft.base, sha: draft.sha });
      before = draft.before;
      when = draft.at;
      draft.dirty.forEach((name) => dirty.add(name));
      put(draft.yaml, draft.form);
      if (!again) note(draft);
      seq++; asked = Date.now();
      say("sent", "draft");
    } else {
      before = null;
      put(a.yaml, a.form);
      note(null);
    }
    keep();
    tidy();
    if (again && focus && document.activeElement === document.body && byId(focus.id)) {
      const e = byId(focus.id);
      e.focus({ preventScroll: true });
      if (focus.start !== null) e.setSelectionRange(focus.start, focus.end);
    }
  };
  const saved = (a) => {
    store.drop(key());
    at.place = a.place;
    if (a.seq === seq) { clean(); before = null; put(a.yaml, a.form); note(null); }
    keep();
    if (a.seq !== seq) flush();
  };
  const merged = (a) => {
    before = { yaml: area().value, base: a.was.base, sha: a.was.sha };
    seq++; clean(); put(a.yaml, a.form); note(null); keep();
  };
  const take = (a) => {
    asked = 0;
    if (a.why === "load") { if (a.place === here()) open(a); return; }
    if (!at) return;
    a.was = { base: at.base, sha: at.sha };
    Object.assign(at, { base: a.base, sha: a.sha });
    if (a.why === "saved") saved(a);
    else if (a.why === "merged") merged(a);
    else if (a.seq === seq) { clean(); put(a.yaml, a.form); keep(); } else flush();
  };
  const look = () => {
    const box = byId("edit-answer"), said = box && box.dataset.answer;
    if (!box && !/^\/jobs\/(new|[^/]+\/[^/]+\/edit)\/?$/.test(location.pathname)) { at = null; return; }
    if (!said) return;
    const a = JSON.parse(said);
    if (a.serial === seen) return;
    seen = a.serial;
    take(a);
  };
  const begin = () => {
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-answer"] });
    look();
  };
  document.readyState === "loading" ? addEventListener("DOMContentLoaded", begin) : begin();

  // Only where this browser keeps nothing would leaving lose what is typed.
  addEventListener("beforeunload", (e) => { if (unkept.size) e.preventDefault(); });

  const undo = () => {
    if (!before) return;
    Object.assign(at, { base: before.base, sha: before.sha });
    clean(); put(before.yaml, null);
    before = null; seq++; keep(); asked = Date.now();
    say("sent", "draft");
  };
  const go = (b) => {
    const e = byId(b.dataset.edGo), lines = e.value.split("\n"), line = Math.min(+b.dataset.line, lines.length);
    const offset = lines.slice(0, line - 1).reduce((n, l) => n + l.length + 1, 0) + Math.min(+b.dataset.column - 1, lines[line - 1].length);
    e.focus(); e.setSelectionRange(offset, offset);
  };
  const mark = (e) => { if (e && e.id && e.closest("#editor")) focus = { id: e.id, start: e.selectionStart ?? null, end: e.selectionEnd ?? null }; };

  addEventListener("input", (e) => {
    const name = e.target.dataset && e.target.dataset.editField;
    if (!at || (!name && e.target !== area())) return;
    if (name) dirty.add(name); else typed = true;
    when = new Date().toISOString();
    seq++; mark(e.target); draw(); keep(); soon();
  });
  addEventListener("selectionchange", () => mark(document.activeElement));
  // Before anybody else hears of the click: a draft is dropped before the page is filled again.
  addEventListener("click", (e) => {
    const b = e.target.closest && e.target.closest("[data-edit],[data-ed-go],[data-act=out]");
    if (!b) return;
    const act = b.dataset.edit;
    if (b.dataset.edGo) go(b);
    else if (b.dataset.act === "out") out(e);
    else if (act === "save") { clearTimeout(timer); say("save", "yaml"); }
    else if (act === "merge") say("sent", "merge");
    else if (act === "undo") undo();
    else if (act === "discard" && at) { store.drop(key()); at = null; }
  }, true);
  const out = (e) => {
    const left = store.keys();
    if (left.length && !confirm(`Signing out drops what you have not saved (${left.length === 1 ? "1 job" : `${left.length} jobs`}). Sign out?`)) {
      e.stopPropagation(); e.preventDefault();
    } else { left.forEach(store.drop); at = null; }
  };
  // A new line begins as far in as the last one, and farther behind a colon.
  const enter = (e) => {
    const box = e.target, line = box.value.slice(0, box.selectionStart).split("\n").pop();
    const inner = line.match(/^ */)[0] + (/:\s*$/.test(line) ? "  " : "");
    if (inner && document.execCommand("insertText", false, `\n${inner}`)) e.preventDefault();
  };
  addEventListener("keydown", (e) => {
    if (e.key === "Enter" && e.target === area() && !e.isComposing && !e.shiftKey && !e.ctrlKey && !e.metaKey && !e.altKey) enter(e);
    if ((e.ctrlKey || e.metaKey) && e.key === "s" && byId("save")) { e.preventDefault(); byId("save").click(); }
  });
})();
