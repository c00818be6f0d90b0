// The editor's text boxes: setting text without moving the caret, line numbers, indentation, and boxes as high and wide
// as their text.
import { byId } from "./dom.js";

const LEAST_LINES = 12, MOST_GROWN = 12, SPARE_COLUMNS = 4;

/** The place in `text` of place `i` of `old`: before the change, after it, or at its end. */
export const moved = (old, text, i) => {
  const most = Math.min(old.length, text.length);
  let head = 0, tail = 0;
  while (head < most && old[head] === text[head]) head++;
  while (tail < most - head && old[old.length - 1 - tail] === text[text.length - 1 - tail]) tail++;
  if (i <= head) return i;
  return i >= old.length - tail ? i + text.length - old.length : Math.min(i, text.length - tail);
};

export const valueOf = (input) => input.type !== "checkbox" ? input.value : input.checked ? "yes" : "";

export const write = (input, text) => {
  if (input.type === "checkbox") { input.checked = text !== ""; return; }
  if (input.value === text) return;
  const old = input.value, hasCaret = document.activeElement === input && input.selectionStart !== null;
  const [start, end] = hasCaret ? [input.selectionStart, input.selectionEnd] : [0, 0];
  input.value = text;
  if (hasCaret) input.setSelectionRange(moved(old, text, start), moved(old, text, end));
};

/** Sizes the textarea to its text and writes the line numbers, so that one box scrolls both. */
const fit = (area) => {
  const lines = area.value.split("\n"), rows = String(Math.max(lines.length, LEAST_LINES));
  if (area.getAttribute("rows") !== rows) area.setAttribute("rows", rows);
  area.style.minWidth = `${Math.max(...lines.map((line) => line.length)) + SPARE_COLUMNS}ch`;
  const numbers = document.querySelector(`[data-ed-numbers="${area.id}"]`), counted = lines.map((_, i) => i + 1).join("\n");
  if (numbers && numbers.textContent !== counted) numbers.textContent = counted;
};

/** Lists the filled fields of a section in its summary. */
const summarize = (section) => {
  const filled = [...section.querySelectorAll("[data-edit-field]")].filter((input) => input.value);
  const names = filled.map((input) => input.closest("label").firstChild.nodeValue.toLowerCase());
  if (names.length) section.firstChild.dataset.set = names.join(", "); else delete section.firstChild.dataset.set;
};

const grow = (area) => {
  const lines = Math.max(area.value.split("\n").length, Number(area.dataset.grow));
  area.setAttribute("rows", String(Math.min(lines, MOST_GROWN)));
};

export const drawAll = () => {
  document.querySelectorAll("textarea[data-ed]").forEach(fit);
  document.querySelectorAll("details.fold").forEach(summarize);
  document.querySelectorAll("textarea[data-grow]").forEach(grow);
};

/** Moves the caret to line and column (from 1), or the nearest place. */
export const goTo = (area, line, column) => {
  const lines = area.value.split("\n"), at = Math.min(line, lines.length) - 1;
  const before = lines.slice(0, at).reduce((sum, each) => sum + each.length + 1, 0);
  const place = before + Math.min(column - 1, lines[at].length);
  area.focus();
  area.setSelectionRange(place, place);
};

/** Inserts a new line, indented like the last one, two spaces more after a colon; false if not inserted. */
export const insertIndentedLine = (area) => {
  const line = area.value.slice(0, area.selectionStart).split("\n").pop();
  const indent = line.match(/^ */)[0] + (/:\s*$/.test(line) ? "  " : "");
  return indent !== "" && document.execCommand("insertText", false, `\n${indent}`); // which can be undone
};

/** The editor's field with the caret, and the selection in it; null for any other element. */
export const caretOf = (element) =>
  element?.id && element.closest("#editor")
    ? { id: element.id, start: element.selectionStart ?? null, end: element.selectionEnd ?? null }
    : null;

export const putCaret = ({ id, start, end }) => {
  const input = byId(id);
  if (!input) return;
  input.focus({ preventScroll: true });
  if (start !== null) input.setSelectionRange(start, end);
};
