// The search box suggests while the user types. On a page change the next page's box takes over focus and text; so it
// does with keys typed after "/" before it exists.
import { go } from "./addresses.js";
import { onChange } from "./dom.js";
import * as list from "./search-list.js";
import { box } from "./search-list.js";

const PATIENCE_MS = 5000, PAUSE_MS = 120;

let latest = 0, timer = 0;     // number of the latest search; an answer to an older one is dropped
let held = null;               // the box that has the focus
let waiting = null;            // { text, since } typed before the box exists
const met = new WeakSet();

const close = () => {
  clearTimeout(timer);
  latest += 1;
  list.close();
};

const search = async (text) => {
  const mine = ++latest;
  try {
    const answer = await fetch(`/api/search?${new URLSearchParams({ q: text })}`);
    const found = answer.ok ? await answer.json() : null;
    if (mine !== latest || document.activeElement !== box()) return;
    if (found) list.show(found);
    else list.say(answer.status === 429 ? "Too many searches. Wait a moment." : "The search failed. Try again.");
  } catch { if (mine === latest) list.say("The server does not answer."); }
};

const typed = (input) => {
  clearTimeout(timer);
  const text = input.value.trim();
  if (text) timer = setTimeout(() => search(text), PAUSE_MS); else close();
};

/** Leaves the box: the next page's box does not take the focus. */
const release = () => {
  close();
  held = null;
  box()?.blur();
};

const choose = (href) => {
  if (box()) box().value = "";
  release();
  go(href);
};

const KEYS = {
  Escape: (event) => {
    event.preventDefault();
    if (list.isShown()) close(); else event.target.blur();
  },
  ArrowDown: (event) => {
    if (!list.isShown()) { typed(event.target); return; }
    event.preventDefault();
    list.step(1);
  },
  ArrowUp: (event) => { event.preventDefault(); list.step(-1); },
  Enter: (event) => {
    if (!list.marked()) return;
    event.preventDefault();
    choose(list.marked());
  },
};

/** Whether text typed before the box existed is still fresh. */
const isWaiting = () => Boolean(waiting && Date.now() - waiting.since < PATIENCE_MS);

/** Notes that a focused box was removed with its page: its text waits for the next page's box. */
const noticeLoss = () => {
  if (!held || held.isConnected) return;
  waiting = { text: held.value, since: Date.now() };
  held = null;
};

const takeOver = (input) => {
  input.value = waiting.text;
  input.focus();
  typed(input);
};

const settle = () => {
  noticeLoss();
  const input = box();
  if (!input) return;
  const isNew = !met.has(input);
  met.add(input);
  if (isWaiting()) takeOver(input);
  else if (isNew && location.pathname.startsWith("/search") && !input.value) {
    input.value = new URLSearchParams(location.search).get("q") || "";
  }
  waiting = null;
};

/** Focuses the box, or the next one as soon as it exists. */
export const focusBox = () => {
  const input = box();
  if (!input) { waiting = { text: "", since: Date.now() }; return; }
  input.focus();
  input.select();
};

/** Handles a key in the box; false if the focus is elsewhere. */
export const takesKey = (event) => {
  noticeLoss();
  if (event.target.id === "search") { KEYS[event.key]?.(event); return true; }
  return false;
};

/** Collects a key for a box that does not exist yet; false if none is expected. */
export const collects = (event) => {
  if (!isWaiting()) return false;
  if (event.key === "Escape") waiting = null;
  else if (event.key === "Backspace") waiting.text = waiting.text.slice(0, -1);
  else if (event.key.length === 1) {
    waiting.text += event.key;
    event.preventDefault();
  }
  return true;
};

list.onChoice(choose);
addEventListener("input", (event) => { if (event.target.id === "search") typed(event.target); });
addEventListener("submit", (event) => {
  if (event.target.getAttribute?.("role") !== "search") return;
  event.preventDefault();
  const text = box().value.trim();
  release();
  if (text) go(`/search?${new URLSearchParams({ q: text })}`);
});
addEventListener("focusin", (event) => { if (event.target.id === "search") held = event.target; });
addEventListener("focusout", (event) => {
  const input = event.target;
  if (input.id !== "search") return;
  // Elements drawn again get the focus back at once; a box removed with its page was not left.
  setTimeout(() => {
    if (!input.isConnected || document.activeElement === input) return;
    if (held === input) held = null;
    close();
  }, 0);
});
onChange(settle);
settle(); // the box may exist before this module runs
