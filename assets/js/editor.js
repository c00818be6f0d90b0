// The editor of New and Edit. The browser holds the texts: they are sent after a short pause in typing, with a sequence
// number, and an answer is applied only if nothing was typed since. Unsaved text is stored as a draft (drafts.js).
import { around, byId, onChange } from "./dom.js";
import * as drafts from "./drafts.js";
import { caretOf, drawAll, goTo, insertIndentedLine, putCaret, valueOf, write } from "./editor-boxes.js";
import { shortTime } from "./zones.js";

const REST_MS = 70, LOST_MS = 10_000;

let file = null;           // what is edited: user, place, and the revision it started from (base and sha)
let seq = 0;               // counts edits; an answer to an older number is discarded
let sentAt = 0;            // time of the last message, 0 once it is answered
let timer = 0;             // for the pause after typing
let lastSerial = "";       // of the last answer applied
let before = null;         // the text and base before a merge, for undo
let caret = null, typed = false, typedAt = "";
const dirty = new Set();   // fields changed since the last answer

const area = () => byId("yaml");
const inputs = () => [...document.querySelectorAll("[data-edit-field]")];
const form = () => Object.fromEntries(inputs().map((input) => [input.dataset.editField, valueOf(input)]));
const key = () => drafts.keyOf(file.user, file.place);
const clean = () => { dirty.clear(); typed = false; };

/** The job in the address, as in the server's answers: "new" or "namespace/name". */
const placeOfAddress = () => {
  const [, , first, second] = location.pathname.replace(/\/$/, "").split("/").map(decodeURIComponent);
  return first === "new" ? "new" : `${first}/${second}`;
};

const isEditorAddress = () => /^\/jobs\/(new|[^/]+\/[^/]+\/edit)\/?$/.test(location.pathname);

const put = (yaml, fields) => {
  if (yaml !== null && area()) write(area(), yaml);
  if (fields !== null) inputs().forEach((input) => write(input, fields[input.dataset.editField] ?? ""));
  drawAll();
};

const keepDraft = () => {
  const yaml = area()?.value ?? file.base, saved = yaml === file.base && !dirty.size, mark = byId("edit-unsaved");
  if (mark) mark.hidden = saved;
  if (saved) { drafts.drop(key()); return; }
  drafts.save(key(), { yaml, form: form(), dirty: [...dirty], base: file.base, sha: file.sha, before, at: typedAt });
};

/** Shows a note that a draft was restored, with its time; null hides it. */
const noteDraft = (draft) => {
  const note = byId("edit-draft");
  if (!note) return;
  note.hidden = !draft;
  if (draft) byId("edit-draft-at").textContent = shortTime(new Date(draft.at));
};

/** Sends a message through the page's form `port`; `side` names the authoritative text. */
const send = (port, side) => {
  const to = document.querySelector(`[data-edit-port="${port}"]`);
  if (!to || !file || !area()) return;
  const message = { seq, side, place: file.place, yaml: area().value, form: form(), dirty: [...dirty] };
  // The server may have restarted since its last answer: drafts and saves name the revision they started from.
  if (side === "draft" || port === "save") Object.assign(message, { base: file.base, sha: file.sha });
  to.elements.sent.value = JSON.stringify(message);
  to.requestSubmit();
};

/** Sends what was typed, unless an answer is pending: that one triggers the next message. */
const flush = () => {
  clearTimeout(timer);
  if (sentAt && Date.now() - sentAt < LOST_MS) return;
  sentAt = Date.now();
  send("sent", typed || !dirty.size ? "yaml" : "form");
};

const sendDraft = () => {
  seq++;
  sentAt = Date.now();
  send("sent", "draft");
};

/** The stored draft of this job if it differs from the server's text, else null. */
const differingDraft = (answer) => {
  const draft = drafts.load(key());
  return draft && (draft.yaml !== answer.yaml || draft.dirty.length) ? draft : null;
};

const restore = (draft, { announce }) => {
  if (draft.sha || file.place === "new") Object.assign(file, { base: draft.base, sha: draft.sha });
  before = draft.before;
  typedAt = draft.at;
  draft.dirty.forEach((name) => dirty.add(name));
  put(draft.yaml, draft.form);
  if (announce) noteDraft(draft);
  sendDraft();
};

/** Fills the editor, first or after a reconnect; a stored draft takes precedence over the server's text. */
const opened = (answer) => {
  const again = file?.user === answer.user && file.place === answer.place;
  file = { user: answer.user, place: answer.place, base: answer.base, sha: answer.sha };
  clean();
  const draft = differingDraft(answer);
  if (draft) restore(draft, { announce: !again });
  else {
    before = null;
    put(answer.yaml, answer.form);
    noteDraft(null);
  }
  keepDraft();
  drafts.dropOld();
  if (again && caret && document.activeElement === document.body) putCaret(caret);
};

const saved = (answer) => {
  drafts.drop(key());
  file.place = answer.place;
  const current = answer.seq === seq;
  if (current) {
    clean();
    before = null;
    put(answer.yaml, answer.form);
    noteDraft(null);
  }
  keepDraft();
  if (!current) flush();
};

const merged = (answer, base) => {
  before = { yaml: area().value, ...base };
  seq++;
  clean();
  put(answer.yaml, answer.form);
  noteDraft(null);
  keepDraft();
};

/** Applies the server's text, unless something was typed meanwhile: then that is sent. */
const read = (answer) => {
  if (answer.seq !== seq) { flush(); return; }
  clean();
  put(answer.yaml, answer.form);
  keepDraft();
};

const take = (answer) => {
  sentAt = 0;
  if (answer.why === "load") {
    if (answer.place === placeOfAddress()) opened(answer);
    return;
  }
  if (!file) return;
  const base = { base: file.base, sha: file.sha };
  Object.assign(file, { base: answer.base, sha: answer.sha });
  if (answer.why === "saved") saved(answer);
  else if (answer.why === "merged") merged(answer, base);
  else read(answer);
};

const look = () => {
  const port = byId("edit-answer");
  if (!port && !isEditorAddress()) { file = null; return; }
  if (!port?.dataset.answer) return;
  const answer = JSON.parse(port.dataset.answer);
  if (answer.serial === lastSerial) return;
  lastSerial = answer.serial;
  take(answer);
};

const undoMerge = () => {
  if (!file || !before) return;
  Object.assign(file, { base: before.base, sha: before.sha });
  clean();
  put(before.yaml, null);
  before = null;
  seq++;
  keepDraft();
  sentAt = Date.now();
  send("sent", "draft");
};

const discard = () => {
  if (!file) return;
  drafts.drop(key());
  file = null;
};

const ACTS = {
  save: () => { clearTimeout(timer); send("save", "yaml"); },
  merge: () => send("sent", "merge"),
  undo: undoMerge,
  discard,
};

/** Signing out drops all drafts: the next user of this browser must not see them. */
const confirmSignOut = (event) => {
  const left = drafts.keys(), count = left.length === 1 ? "1 job" : `${left.length} jobs`;
  if (left.length && !confirm(`Signing out discards your unsaved changes (${count}). Sign out?`)) {
    event.stopPropagation();
    event.preventDefault();
    return;
  }
  left.forEach(drafts.drop);
  file = null;
};

const noteCaret = (element) => { caret = caretOf(element) ?? caret; };

addEventListener("input", (event) => {
  const field = event.target.dataset?.editField;
  if (!file || (!field && event.target !== area())) return;
  if (field) dirty.add(field); else typed = true;
  typedAt = new Date().toISOString();
  seq++;
  noteCaret(event.target);
  drawAll();
  keepDraft();
  clearTimeout(timer);
  timer = setTimeout(flush, REST_MS);
});
addEventListener("selectionchange", () => noteCaret(document.activeElement));
// Runs before other click handlers: a draft is dropped before the page is filled again.
addEventListener("click", (event) => {
  const button = around(event, "[data-edit],[data-ed-go],[data-act=out]");
  if (!button) return;
  const { act, edit, edGo, line, column } = button.dataset;
  if (edGo) goTo(byId(edGo), Number(line), Number(column));
  else if (act === "out") confirmSignOut(event);
  else ACTS[edit]?.();
}, true);
addEventListener("keydown", (event) => {
  const modified = event.shiftKey || event.ctrlKey || event.metaKey || event.altKey;
  if (event.key === "Enter" && event.target === area() && !event.isComposing && !modified) {
    if (insertIndentedLine(event.target)) event.preventDefault();
  }
  if ((event.ctrlKey || event.metaKey) && event.key === "s" && byId("save")) {
    event.preventDefault();
    byId("save").click();
  }
});
onChange(look, "data-answer");
look();
