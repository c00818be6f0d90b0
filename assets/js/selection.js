// Selecting rows of a list: checkboxes of which one is a Tab stop, arrow keys, ranges with Shift, and the acts on them.
import { around, byId, onChange, withModifier, writeText } from "./dom.js";

const STEPS = { ArrowUp: -1, ArrowDown: 1, Home: -Infinity, End: Infinity };

let last = null; // the checkbox that was used last: the other end of a range

const boxes = () => [...document.querySelectorAll("[data-select]")];
const chosen = () => boxes().filter((box) => box.checked).map((box) => box.dataset.select);

const update = () => {
  const all = boxes(), names = chosen(), bar = byId("selected"), every = document.querySelector("[data-select-all]");
  if (!bar || !every) return;
  const stop = all.includes(last) ? last : all[0];
  all.forEach((box) => { box.tabIndex = box === stop ? 0 : -1; });
  every.checked = names.length > 0 && names.length === all.length;
  every.indeterminate = names.length > 0 && !every.checked;
  if (bar.hidden !== (names.length === 0)) bar.hidden = names.length === 0;
  const count = names.length === 1 ? "1 job" : `${names.length} jobs`;
  writeText(byId("selected-count"), `${count} selected`);
  Object.assign(bar.querySelector("[data-open]").dataset, { giveJobs: names.join(" "), giveCount: count });
};

const check = (some, checked) => {
  some.forEach((box) => { box.checked = checked; });
  update();
};

const between = (a, b) => {
  const all = boxes(), [from, to] = [all.indexOf(a), all.indexOf(b)];
  return from < 0 ? [b] : all.slice(Math.min(from, to), Math.max(from, to) + 1);
};

const submit = (action) => {
  const { elements } = document.querySelector("[data-bulk-port]");
  elements.action.value = action;
  elements.jobs.value = chosen().join(" ");
  elements.jobs.form.requestSubmit();
  check(boxes(), false);
};

addEventListener("click", (event) => {
  const box = around(event, "[data-select]"), act = around(event, "[data-bulk]");
  if (act) submit(act.dataset.bulk);
  else if (around(event, "[data-select-none]")) check(boxes(), false);
  else if (around(event, "[data-select-all]")) check(boxes(), event.target.checked);
  else if (box) {
    const some = event.shiftKey && last ? between(last, box) : [box];
    last = box;
    check(some, box.checked);
  }
});
addEventListener("submit", (event) => {
  if (event.target.closest("#bulk-delete")) queueMicrotask(() => check(boxes(), false));
});
addEventListener("keydown", (event) => {
  const step = STEPS[event.key], box = around(event, "[data-select]");
  if (!step || !box || withModifier(event)) return;
  event.preventDefault();
  const all = boxes(), next = all[Math.max(0, Math.min(all.length - 1, all.indexOf(box) + step))];
  if (event.shiftKey) check(between(box, next), true);
  last = next;
  update();
  next.focus();
});
onChange(update);
update();
