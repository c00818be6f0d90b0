// A page with the editor of New and Edit, and the server that it talks to.
import { openPage } from "./page.js";

const EDITOR = `<div id="editor"><textarea id="yaml" data-ed></textarea>
  <input id="schedule" data-edit-field="schedule"><input id="owner" data-edit-field="owner"><input id="free"></div>
  <b id="edit-unsaved" hidden></b><div id="edit-draft" hidden>from <b id="edit-draft-at"></b></div>
  <form data-edit-port="sent"><input name="sent"></form><form data-edit-port="save"><input name="sent"></form>
  <button id="save" data-edit="save"><i>Save</i></button><button id="merge" data-edit="merge">Merge</button><button id="undo" data-edit="undo">Undo</button>
  <button id="discard" data-edit="discard">Discard</button><button id="go" data-ed-go="yaml" data-line="2" data-column="3">2:3</button>
  <button id="out" data-act="out">Sign out</button><div id="edit-answer"></div>`;
export const KEY = "crontopus-draft:ann:a/b";
export const BASE = "a: 1\nb: 2";

/** What the script sends is in `page.sent`; `page.reply` answers. */
export const openEditor = async (t, { path = "/jobs/a/b/edit", filled = true, before = () => {}, ...options } = {}) => {
  let serial = 0;
  const page = await openPage(t, EDITOR, { scripts: [], url: `https://console.example${path}`, ...options });
  page.sent = [];
  page.window.addEventListener("submit", (event) => {
    event.preventDefault();
    page.sent.push({ port: event.target.dataset.editPort, ...JSON.parse(event.target.elements.sent.value) });
  });
  for (const form of page.all("form")) form.requestSubmit = () => page.fire(form, "submit");
  page.yaml = page.$("#yaml");
  page.reply = async (answer) => {
    page.$("#edit-answer").dataset.answer = JSON.stringify({ serial: `s${++serial}`, base: BASE, sha: "s1", form: null, yaml: null, ...answer });
    await page.draw();
  };
  page.load = (more = {}) => page.reply({ why: "load", user: "ann", place: "a/b", yaml: BASE, form: { schedule: "1" }, ...more });
  page.last = () => page.sent.at(-1);
  page.draft = (key = KEY) => JSON.parse(localStorage.getItem(key));
  page.rest = () => page.tick(70);
  before(page);
  await page.script("editor");
  if (filled) await page.load();
  return page;
};
export const isShown = (page, id) => !page.$(id).hidden;

export const stored = (more = {}) => JSON.stringify({
  yaml: "a: draft", form: { schedule: "9", owner: "d" }, dirty: ["owner"], base: "old", sha: "s0", before: null, at: "2026-03-04T09:30:00.000Z", ...more,
});
/** For `openEditor`: the browser has kept the draft. */
export const withDraft = (draft, key = KEY) => ({ before: () => localStorage.setItem(key, draft) });
