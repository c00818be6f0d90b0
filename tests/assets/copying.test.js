import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage, settle } from "./page.js";

const HTML = `<button id="own" data-copy="ctp_1">copy</button><button id="from" data-copy-from="output"><b>copy</b></button>
  <button id="none" data-copy-from="gone">copy</button><pre id="output">all of it</pre>`;

const open = async (t) => {
  const page = await openPage(t, HTML, { scripts: ["copying"] });
  page.copy = async (selector) => { page.click(page.$(selector)); await settle(); };
  return page;
};

test("a button copies its text, says so, and gets its label back", async (t) => {
  const page = await open(t);
  await page.copy("#own");
  assert.deepEqual(page.copied, ["ctp_1"]);
  assert.equal(page.$("#own").textContent, "copied");
  page.tick(1199);
  assert.equal(page.$("#own").textContent, "copied");
  page.tick(1);
  assert.equal(page.$("#own").textContent, "copy");
});

test("a button copies another element's text; of one that is gone, nothing", async (t) => {
  const page = await open(t);
  page.$("#from").replaceChildren("copy");
  await page.copy("#from");
  await page.copy("#none");
  assert.deepEqual(page.copied, ["all of it", ""]);
});

test("a second click does not keep the label from coming back", async (t) => {
  const page = await open(t);
  await page.copy("#own");
  page.tick(600);
  await page.copy("#own");
  page.tick(1199);
  assert.equal(page.$("#own").textContent, "copied");
  page.tick(1);
  assert.equal(page.$("#own").textContent, "copy");
  await page.copy("#own");
  assert.equal(page.copied.length, 3);
});

for (const [why, clipboard] of [["forbids it", { writeText: async () => { throw new Error("NotAllowed"); } }], ["has no clipboard", undefined]]) {
  test(`where the browser ${why} the button says that nothing was copied`, async (t) => {
    const page = await open(t);
    page.navigator.clipboard = clipboard;
    await page.copy("#own");
    assert.equal(page.$("#own").textContent, "not copied");
    page.tick(1200);
    assert.equal(page.$("#own").textContent, "copy");
  });
}

test("a click elsewhere copies nothing", async (t) => {
  const page = await open(t);
  await page.copy("#output");
  assert.deepEqual(page.copied, []);
});
