// What the kit's components do in the browser alone: dialogs open and give the focus back, toasts come and go.
(() => {
  const by = (id) => document.getElementById(id);
  const make = (name, props, ...children) => {
    const made = Object.assign(document.createElement(name), props);
    made.append(...children);
    return made;
  };

  // Dialogs. An opener names its dialog (data-open) and gives words and values (data-give-…) to data-given and data-take.
  const openers = new WeakMap();
  const given = (from, key) => from.dataset[`give${key[0].toUpperCase()}${key.slice(1)}`] ?? "";
  const open = (name, opener) => {
    const dialog = by(name);
    if (!dialog || dialog.open) return;
    if (opener) {
      openers.set(dialog, opener);
      dialog.querySelectorAll("[data-given]").forEach((e) => { e.textContent = given(opener, e.dataset.given); });
      dialog.querySelectorAll("[data-take]").forEach((e) => { e.value = given(opener, e.dataset.take); });
    }
    dialog.showModal();
  };
  const outside = (dialog, e) => {
    const box = dialog.getBoundingClientRect();
    return e.clientX < box.left || e.clientX > box.right || e.clientY < box.top || e.clientY > box.bottom;
  };
  addEventListener("click", (e) => {
    const target = e.target.closest ? e.target : null;
    const opener = target && target.closest("[data-open]");
    if (opener) return open(opener.dataset.open, opener);
    const dialog = target && target.closest("dialog[open]");
    if (!dialog) return;
    // A click on the backdrop is one on the dialog itself, outside its box; Enter in a form "clicks" at 0, 0.
    if (target.closest("[data-close]") || (target === dialog && e.detail && outside(dialog, e))) dialog.close();
  });
  addEventListener("submit", (e) => {
    if (e.target.dataset && e.target.dataset.closes !== undefined) e.target.closest("dialog").close();
  });
  addEventListener("close", (e) => {
    const opener = openers.get(e.target);
    if (!opener) return;
    openers.delete(e.target);
    (opener.isConnected ? opener : by("main") || document.body).focus();
  }, true);

  // Toasts: said by an event (ui/kit/toast.py) or a script.
  const KEPT = 4, SHORT_MS = 6000, LONG_MS = 12000;
  const away = (item) => {
    const held = item.contains(document.activeElement);
    item.remove();
    if (held) (by("main") || document.body).focus();
  };
  const undo = (key) => {
    const form = document.querySelector("form[data-undo]");
    form.elements.key.value = key;
    form.requestSubmit();
  };
  const expire = (item, ms) => {
    let left = ms, since = 0, timer = 0;
    const holds = new Set();
    const run = () => { if (!holds.size && !timer) { since = Date.now(); timer = setTimeout(() => away(item), left); } };
    const hold = (why) => () => {
      holds.add(why); item.classList.add("held");
      if (timer) { clearTimeout(timer); timer = 0; left = Math.max(1500, left - (Date.now() - since)); }
    };
    const free = (why) => () => { holds.delete(why); if (!holds.size) { item.classList.remove("held"); run(); } };
    item.addEventListener("pointerenter", hold("pointer")); item.addEventListener("pointerleave", free("pointer"));
    item.addEventListener("focusin", hold("focus")); item.addEventListener("focusout", free("focus"));
    run();
  };
  const button = (text, act, props) => {
    const made = make("button", { type: "button", ...props }, text);
    made.addEventListener("click", act);
    return made;
  };
  const say = ({ text, state = "ok", href = "", label = "Open", undo: key = "" }) => {
    const list = by("toasts");
    if (!list) return;
    const item = make("div", { className: `toast s-${state}` }, make("s", { className: `dot s-${state}` }), make("span", {}, text));
    if (state === "failed") item.setAttribute("role", "alert");
    if (/^\/(?![/\\])/.test(href)) item.append(make("a", { href, className: "link" }, label));
    if (key) item.append(button("Undo", () => { away(item); undo(key); }, { className: "small" }));
    const close = button("×", () => away(item), { className: "bare" });
    close.setAttribute("aria-label", "close");
    item.append(close);
    item.addEventListener("keydown", (e) => { if (e.key === "Escape") { e.stopPropagation(); away(item); } });
    list.append(item);
    while (list.children.length > KEPT) away(list.firstChild);
    if (state !== "failed") expire(item, key || href ? LONG_MS : SHORT_MS);
  };

  // Hints: what data-tip says, under the pointer and at what has the focus.
  const hint = () => by("hint") || document.body.appendChild(make("div", { id: "hint", role: "tooltip" }));
  let shownAt = null;
  const hide = () => {
    if (!shownAt) return;
    shownAt.removeAttribute("aria-describedby");
    shownAt = null;
    hint().hidden = true;
  };
  const show = (at, holder) => {
    hide();
    const box = hint();
    shownAt = holder;
    box.textContent = at.dataset.tip;
    box.hidden = false;
    holder.setAttribute("aria-describedby", "hint");
    const around = at.getBoundingClientRect(), own = box.getBoundingClientRect();
    const below = around.bottom + 6 + own.height < innerHeight;
    box.style.top = `${below ? around.bottom + 6 : around.top - own.height - 6}px`;
    box.style.left = `${Math.max(8, Math.min(around.left, innerWidth - own.width - 8))}px`;
  };
  addEventListener("pointerover", (e) => {
    const at = e.target.closest && e.target.closest("[data-tip]");
    if (at && at.dataset.tip) show(at, at); else if (shownAt && shownAt !== document.activeElement) hide();
  });
  addEventListener("focusin", (e) => {
    const at = e.target.closest("[data-tip]") || (e.target.matches("a") && e.target.querySelector("[data-tip]"));
    if (at && at.dataset.tip && e.target.matches(":focus-visible")) show(at, e.target); else hide();
  });
  addEventListener("focusout", hide);
  addEventListener("scroll", hide, true);

  // Strips and charts are one stop of the Tab key; arrow keys go through their cells.
  const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
  addEventListener("keydown", (e) => {
    if (e.key === "Escape") return hide();
    const group = e.target.closest && e.target.closest("[data-rove]");
    if (!group || !(e.key in steps) || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    const cells = [...group.children], step = steps[e.key];
    const here = cells.indexOf(e.target), from = here < 0 ? (step < 0 ? cells.length : -1) : here;
    const next = cells[Math.max(0, Math.min(cells.length - 1, from + step))];
    if (next) next.focus();
  });

  window.crontopus = { ...window.crontopus, open, say };
})();
