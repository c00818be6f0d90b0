// Drafts: unsaved text of the editor, stored in this browser by user and job. If storage is full or disabled, this tab
// keeps the draft and asks before it is left.

const PREFIX = "crontopus-draft:", KEPT_DAYS = 30, DAY_MS = 86_400_000;

const memory = new Map(), unkept = new Set();

export const keyOf = (user, place) => `${PREFIX}${user}:${place}`;

const text = (key) => {
  try { return localStorage.getItem(key) ?? memory.get(key) ?? null; } catch { return memory.get(key) ?? null; }
};

const isDraft = (value) => typeof value?.yaml === "string" && Array.isArray(value.dirty) && value.form instanceof Object;

/** The draft, or null if there is none or it is invalid. */
export const load = (key) => {
  try {
    const value = JSON.parse(text(key));
    return isDraft(value) ? value : null;
  } catch { return null; }
};

export const save = (key, draft) => {
  const value = JSON.stringify(draft);
  memory.set(key, value);
  try {
    localStorage.setItem(key, value);
    unkept.delete(key);
  } catch { unkept.add(key); }
};

export const drop = (key) => {
  memory.delete(key);
  unkept.delete(key);
  try { localStorage.removeItem(key); } catch { /* storage is disabled */ }
};

/** The keys of all drafts, whoever's. */
export const keys = () => {
  let stored = [];
  try { stored = Object.keys(localStorage); } catch { /* none */ }
  return [...new Set([...stored, ...memory.keys()])].filter((key) => key.startsWith(PREFIX));
};

/** Drops drafts older than thirty days, and invalid ones. */
export const dropOld = () => keys().forEach((key) => {
  const typed = Date.parse(load(key)?.at);
  if (!(typed > Date.now() - KEPT_DAYS * DAY_MS)) drop(key);
});

addEventListener("beforeunload", (event) => { if (unkept.size) event.preventDefault(); });
