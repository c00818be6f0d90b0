// The search box proposes as one types. A page that goes with the focus in its box hands focus and text to the next
// page's; so does "/" where no box is there yet.
import { go } from "./addresses.js";
import { onChange } from "./dom.js";
import * as list from "./search-list.js";
import { box } from "./search-list.js";

const PATIENCE_MS = 5000, PAUSE_MS = 120;

let asked = 0, timer = 0;      // the number of the latest search; an answer to an older one is dropped
let held = null;               // the box that has the focus
let waiting = null;            // { text, since } for a box that is not there yet
const met = new WeakSet();

const close = () => {
  clearTimeout(timer);
  asked += 1;
  list.close();
};

const search = async (text) => {
  const mine = ++asked;
  try {
    const answer = await fetch(`/api/search?${new URLSearchParams({ q: text })}`);
    const found = answer.ok ? await answer.json() : null;
    if (mine !== asked || document.activeElement !== box()) return;
    if (found) list.show(found);
    else list.say(answer.status === 429 ? "Too many searches: wait a moment." : "This cannot be searched now.");
  } catch { if (mine === asked) list.say("The server does not answer."); }
};

const typed = (input) => {
  clearTimeout(timer);
  const text = input.value.trim();
  if (text) timer = setTimeout(() => search(text), PAUSE_MS); else close();
};

/** Leaves the box: the next page's shall not take the focus. */
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

/** Text that was typed before the box was there. */
const isWaiting = () => Boolean(waiting && Date.now() - waiting.since < PATIENCE_MS);

/** A box that went from the page with the focus in it: its text waits for the next one. */
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

/** Puts the focus into the box, or waits for it. */
export const focusBox = () => {
  const input = box();
  if (!input) { waiting = { text: "", since: Date.now() }; return; }
  input.focus();
  input.select();
};

/** Whether the key was for the box, or for one that is still to come. */
export const takesKey = (event) => {
  noticeLoss();
  if (event.target.id === "search") { KEYS[event.key]?.(event); return true; }
  return false;
};

/** Whether the key is text for a box that is still to come. */
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
  // What is drawn anew gets its focus back at once, and a box that goes with its page is not left.
  setTimeout(() => {
    if (!input.isConnected || document.activeElement === input) return;
    if (held === input) held = null;
    close();
  });
});
onChange(settle);
