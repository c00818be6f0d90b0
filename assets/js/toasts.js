// Toasts: short messages, shown by an event (ui/kit/toast.py) or a script. They disappear by themselves, but not under
// the pointer, not with the focus, and not if they report a failure.
import { byId, focusPage, make } from "./dom.js";

const KEPT = 4, SHORT_MS = 6000, LONG_MS = 12000, LEAST_MS = 1500;

const remove = (toast) => {
  const hadFocus = toast.contains(document.activeElement);
  toast.remove();
  if (hadFocus) focusPage();
};

/** Submits the key with the page's form; the server knows the act to undo. */
const undo = (key) => {
  const form = document.querySelector("form[data-undo]");
  form.elements.key.value = key;
  form.requestSubmit();
};

const removeAfter = (toast, ms) => {
  const holds = new Set();
  let left = ms, since = 0, timer = 0;
  const run = () => {
    if (holds.size || timer) return;
    since = Date.now();
    timer = setTimeout(() => remove(toast), left);
  };
  const stop = () => {
    if (!timer) return;
    clearTimeout(timer);
    timer = 0;
    left = Math.max(LEAST_MS, left - (Date.now() - since));
  };
  const change = () => { toast.classList.toggle("held", holds.size > 0); if (holds.size) stop(); else run(); };
  const holdBetween = (begin, end) => {
    toast.addEventListener(begin, () => { holds.add(begin); change(); });
    toast.addEventListener(end, () => { holds.delete(begin); change(); });
  };
  holdBetween("pointerenter", "pointerleave");
  holdBetween("focusin", "focusout");
  run();
};

const button = (label, act, properties) => {
  const element = make("button", { type: "button", ...properties }, label);
  element.addEventListener("click", act);
  return element;
};

const closeButton = (toast) => {
  const close = button("×", () => remove(toast), { className: "bare" });
  close.setAttribute("aria-label", "close");
  close.dataset.local = "";
  return close;
};

const isOurs = (href) => /^\/(?![/\\])/.test(href);

const build = ({ text, state = "ok", href = "", label = "Open", undo: key = "" }) => {
  const toast = make("div", { className: `toast s-${state}` }, make("s", { className: `dot s-${state}` }), make("span", {}, text));
  if (state === "failed") toast.setAttribute("role", "alert");
  if (isOurs(href)) toast.append(make("a", { href, className: "link" }, label));
  if (key) toast.append(button("Undo", () => { remove(toast); undo(key); }, { className: "small" }));
  toast.append(closeButton(toast));
  toast.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    remove(toast);
  });
  return toast;
};

export const say = (message) => {
  const list = byId("toasts");
  if (!list) return;
  const toast = build(message);
  list.append(toast);
  while (list.children.length > KEPT) remove(list.firstChild);
  if (message.state !== "failed") removeAfter(toast, message.undo || message.href ? LONG_MS : SHORT_MS);
};

window.crontopus = { ...window.crontopus, say };
