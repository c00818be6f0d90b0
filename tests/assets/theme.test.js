import assert from "node:assert/strict";
import { test } from "node:test";
import { forbidden, openPage } from "./page.js";

const PICKS = ["system", "light", "dark"].map((name) => `<input type="radio" name="t" data-theme-pick="${name}">`).join("");
const HTML = `<button data-act="theme"><i>Theme</i></button>${PICKS}`;
const open = (t, html = HTML) => openPage(t, html, { scripts: ["theme"] });
const picked = (page) => page.all("[data-theme-pick]").filter((input) => input.checked).map((input) => input.dataset.themePick);

test("without a choice the theme is the system's", async (t) => {
  const page = await open(t);
  assert.equal(page.document.documentElement.dataset.theme, undefined);
  assert.deepEqual(picked(page), ["system"]);
});

test("the button goes from the system's to light to dark and back, and each is remembered", async (t) => {
  const page = await open(t), seen = [];
  for (let i = 0; i < 3; i++) {
    page.click(page.$("button i"));
    seen.push([page.document.documentElement.dataset.theme, localStorage.getItem("crontopus-theme"), ...picked(page)]);
  }
  assert.deepEqual(seen, [["light", "light", "light"], ["dark", "dark", "dark"], [undefined, "system", "system"]]);
});

test("a choice in the settings counts at once", async (t) => {
  const page = await open(t);
  page.fire(page.$("[data-theme-pick=dark]"), "change");
  assert.equal(page.document.documentElement.dataset.theme, "dark");
  page.fire(page.$("button"), "change");
  assert.equal(page.document.documentElement.dataset.theme, "dark");
});

test("choices that are drawn later show the theme", async (t) => {
  const page = await open(t, `<button data-act="theme">Theme</button>`);
  page.click(page.$("button"));
  page.document.body.insertAdjacentHTML("beforeend", PICKS);
  await page.draw();
  assert.deepEqual(picked(page), ["light"]);
});

test("where the browser keeps nothing the theme stays the system's", async (t) => {
  const page = await open(t);
  Object.defineProperty(globalThis, "localStorage", { configurable: true, ...forbidden });
  page.click(page.$("button"));
  assert.equal(page.document.documentElement.dataset.theme, undefined);
});
