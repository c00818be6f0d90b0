// The list under the search box, outside React's elements: a listbox of results, and a status line.
import { byId, make } from "./dom.js";

const HEADS = { job: "Jobs", run: "Runs", endpoint: "Endpoints", commit: "Commits" };
const COLOURS = {
  success: "ok", failed: "failed", timeout: "failed", running: "running", missed: "missed", skipped: "skipped",
  invalid: "failed", "in sync": "ok", behind: "late", waiting: "late", blocked: "failed", revoked: "paused",
};
const NARROWEST = 420, EDGE = 12, GAP = 4;

let frame = null, at = -1;
let choose = () => {};

export const box = () => byId("search");
export const isShown = () => Boolean(frame && !frame.hidden);

const options = () => frame ? [...frame.querySelectorAll("[role=option]")] : [];

/** The address of the option that the keys have reached, or null. */
export const marked = () => options()[at]?.getAttribute("href") ?? null;

/** Calls `act` with the address of an option that is clicked, but where the click asks the browser for a new tab. */
export const onChoice = (act) => { choose = act; };

const build = () => {
  const list = make("div", { id: "found" }), words = make("p", { className: "muted" });
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "found");
  words.setAttribute("role", "status");
  frame = make("div", { id: "found-box" }, list, words);
  frame.addEventListener("mousedown", (event) => event.preventDefault()); // the box keeps the focus
  frame.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (!option || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    choose(option.getAttribute("href"));
  });
  document.body.append(frame);
};

const place = () => {
  if (!isShown() || !box()) return;
  const { left, bottom, width: own } = box().getBoundingClientRect();
  const width = Math.min(Math.max(own, NARROWEST), innerWidth - 2 * EDGE);
  Object.assign(frame.style, {
    top: `${bottom + scrollY + GAP}px`,
    left: `${Math.max(EDGE, Math.min(left, innerWidth - width - EDGE))}px`,
    width: `${width}px`,
  });
};

export const close = () => {
  at = -1;
  if (frame) {
    frame.hidden = true;
    frame.firstChild.replaceChildren();
    frame.lastChild.textContent = "";
  }
  box()?.setAttribute("aria-expanded", "false");
  box()?.removeAttribute("aria-activedescendant");
};

export const say = (words) => {
  if (!frame) build();
  frame.lastChild.textContent = words;
  frame.hidden = false;
  at = -1;
  box()?.setAttribute("aria-expanded", "true");
  box()?.removeAttribute("aria-activedescendant");
  place();
};

const option = (href, ...children) => {
  const link = make("a", { href, tabIndex: -1 }, ...children);
  link.setAttribute("role", "option");
  link.setAttribute("aria-selected", "false");
  return link;
};

const hitOption = ({ href, title, state, detail }) => {
  const words = [make("b", { textContent: title }), make("small", { textContent: state ? `${state} · ${detail}` : detail })];
  if (state) words.unshift(make("s", { className: `dot s-${COLOURS[state] || "unknown"}`, title: state }));
  return option(href, ...words);
};

const groupOf = ({ kind, hits, more, href }) => {
  const lines = hits.map(hitOption);
  if (more && href) lines.push(option(href, make("small", { textContent: `Show all ${HEADS[kind].toLowerCase()}` })));
  const group = make("div", {}, make("h3", { textContent: HEADS[kind] }), ...lines);
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", HEADS[kind]);
  return group;
};

/** Shows what the API answered to a search. */
export const show = ({ groups, count }) => {
  if (!frame) build();
  frame.firstChild.replaceChildren(...groups.map(groupOf));
  options().forEach((link, i) => { link.id = `found-${i}`; });
  const results = `${count} result${count === 1 ? "" : "s"}. Press Enter for the results page.`;
  say(count ? results : `No results for "${box()?.value.trim() ?? ""}".`);
};

/** Marks the next option, or the one before; around the ends. */
export const step = (by) => {
  const all = options();
  if (!all.length) return;
  at = at < 0 && by < 0 ? all.length - 1 : (at + by + all.length) % all.length;
  all.forEach((link, i) => link.setAttribute("aria-selected", String(i === at)));
  all[at].scrollIntoView({ block: "nearest" });
  box().setAttribute("aria-activedescendant", all[at].id);
};

addEventListener("resize", place);
