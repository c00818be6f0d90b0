// Keyboard shortcuts of every page; they work while the next page loads, too.
import { go } from "./addresses.js";
import { around, byId, withModifier } from "./dom.js";
import { collects, focusBox, takesKey } from "./search.js";

const PAGES = { o: "/", i: "/incidents", j: "/jobs", r: "/runs", e: "/endpoints", p: "/repository" };
const PATIENCE_MS = 1500;
let pressedG = -Infinity;

const showKeys = () => {
  const dialog = byId("keys");
  if (dialog && !dialog.open) dialog.showModal();
};

const KEYS = {
  "/": (event) => { event.preventDefault(); focusBox(); },
  "?": showKeys,
  n: () => go("/jobs/new"),
  g: () => { pressedG = Date.now(); },
};

const act = (event) => {
  const key = event.key;
  if (KEYS[key]) { KEYS[key](event); return; }
  if (!PAGES[key] || Date.now() - pressedG >= PATIENCE_MS) return;
  pressedG = -Infinity;
  go(PAGES[key]);
};

const isInput = (element) => /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName);

addEventListener("keydown", (event) => {
  if (takesKey(event)) return;
  if (withModifier(event) || isInput(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (document.querySelector("dialog[open], form[data-door]")) return;
  if (!collects(event)) act(event);
});
addEventListener("click", (event) => { if (around(event, "[data-act=keys]")) showKeys(); });
