// Copy buttons: for a fixed text (data-copy), or the text of another element (data-copy-from).
import { around, byId } from "./dom.js";

const SHOWN_MS = 1200;
const labels = new WeakMap();

const answer = (button, words) => {
  const text = button.firstChild, { label, timer } = labels.get(button) ?? { label: text.nodeValue };
  clearTimeout(timer);
  text.nodeValue = words;
  const restore = () => { labels.delete(button); text.nodeValue = label; };
  labels.set(button, { label, timer: setTimeout(restore, SHOWN_MS) });
};

const copy = async (button) => {
  const text = button.dataset.copy || byId(button.dataset.copyFrom)?.textContent || "";
  try {
    await navigator.clipboard.writeText(text);
    answer(button, "copied");
  } catch { answer(button, "not copied"); } // not permitted, or over plain HTTP, where browsers have no clipboard
};

addEventListener("click", (event) => {
  const button = around(event, "[data-copy],[data-copy-from]");
  if (button) copy(button);
});
