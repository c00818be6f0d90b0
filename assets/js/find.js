// Search within an output: matches are ranges that the browser highlights, so React's elements stay unchanged.
import { byId } from "./dom.js";

const MOST = 10_000;
const findings = new WeakMap(); // by input: { ranges, shown }

/** The text nodes below `root`, each with its offset in the whole text, and that text. */
const textOf = (root) => {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT), nodes = [];
  let text = "";
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    nodes.push([text.length, node]);
    text += node.nodeValue;
  }
  return [nodes, text];
};

/** Ranges of `needle` (lower case), in order. */
const search = (root, needle) => {
  const [nodes, text] = textOf(root), low = text.toLowerCase(), found = [];
  // A letter whose lower case is longer would shift all matches after it: then nothing is found.
  if (low.length !== text.length) return found;
  let i = 0;
  const point = (place) => {
    while (i + 1 < nodes.length && nodes[i + 1][0] <= place) i += 1;
    return [nodes[i][1], place - nodes[i][0]];
  };
  for (let at = low.indexOf(needle); at >= 0 && found.length < MOST; at = low.indexOf(needle, at + needle.length)) {
    const range = new Range();
    range.setStart(...point(at));
    range.setEnd(...point(at + needle.length));
    found.push(range);
  }
  return found;
};

const step = (input, by) => {
  const count = input.parentElement.querySelector("[data-find-count]"), finding = findings.get(input);
  if (!finding?.ranges.length) { count.textContent = input.value ? "not found" : ""; return; }
  const { ranges } = finding;
  finding.shown = (finding.shown + by + ranges.length) % ranges.length;
  const range = ranges[finding.shown], root = byId(input.dataset.find);
  CSS.highlights?.set("found-now", new Highlight(range));
  root.scrollTop += range.getBoundingClientRect().top - root.getBoundingClientRect().top - root.clientHeight / 2;
  count.textContent = `${finding.shown + 1} of ${ranges.length}`;
};

const find = (input) => {
  const root = byId(input.dataset.find), needle = input.value.toLowerCase();
  const ranges = root && needle ? search(root, needle) : [];
  findings.set(input, { ranges, shown: -1 });
  CSS.highlights?.set("found", new Highlight(...ranges));
  CSS.highlights?.delete("found-now");
  step(input, 1);
};

addEventListener("input", (event) => { if (event.target.dataset?.find) find(event.target); });
addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.dataset?.find) step(event.target, event.shiftKey ? -1 : 1);
});
addEventListener("click", (event) => {
  const by = event.target.dataset?.findStep;
  if (by) step(event.target.parentElement.querySelector("[data-find]"), Number(by));
});
