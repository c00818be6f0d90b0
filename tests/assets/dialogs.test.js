import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage, place, settle } from "./page.js";

const HTML = `<main id="main" tabindex="-1"><button id="opener" data-open="ask" data-give-id="t1" data-give-name="<b>ci</b>"><i>Revoke</i></button></main>
  <dialog id="ask"><h2>Revoke <b data-given="name">…</b><b data-given="more">…</b></h2>
  <form data-closes=""><input data-take="id"><button type="button" data-close=""><i>Cancel</i></button></form></dialog>
  <form id="other"></form>`;

const open = async (t) => {
  const page = await openPage(t, HTML, { scripts: ["dialogs"] });
  page.dialog = page.$("dialog");
  place(page.dialog, { left: 100, top: 100, width: 200, height: 100 });
  return page;
};

test("an opener fills its dialog, as text, and opens it", async (t) => {
  const page = await open(t);
  page.click(page.$("#opener i"));
  assert.equal(page.dialog.open, true);
  assert.deepEqual(page.all("[data-given]").map((each) => each.textContent), ["<b>ci</b>", ""]);
  assert.equal(page.$("[data-take]").value, "t1");
});

test("a script opens a dialog as it is, and one that is open or gone not at all", async (t) => {
  const page = await open(t);
  let opened = 0;
  page.dialog.showModal = () => { opened += 1; page.dialog.open = true; };
  for (const name of ["ask", "ask", "gone"]) page.window.crontopus.open(name);
  assert.equal(opened, 1);
  assert.equal(page.$("[data-given]").textContent, "…");
});

test("the focus goes back to the opener", async (t) => {
  const page = await open(t);
  page.click(page.$("#opener"));
  page.click(page.$("[data-close] i"));
  await settle();
  assert.equal(page.dialog.open, false);
  assert.equal(page.document.activeElement.id, "opener");
});

test("the focus goes to the page where the opener is gone", async (t) => {
  const page = await open(t);
  page.click(page.$("#opener"));
  page.$("#opener").remove();
  page.dialog.close();
  await settle();
  assert.equal(page.document.activeElement.id, "main");
});

test("the focus goes back once", async (t) => {
  const page = await open(t);
  page.click(page.$("#opener"));
  page.dialog.close();
  await settle();
  page.$("#main").focus();
  page.window.crontopus.open("ask");
  page.dialog.close();
  await settle();
  assert.notEqual(page.document.activeElement.id, "opener");
});

for (const [where, point, closes] of [
  ["left of it", { clientX: 99, clientY: 150 }, true], ["right of it", { clientX: 301, clientY: 150 }, true],
  ["above it", { clientX: 200, clientY: 99 }, true], ["below it", { clientX: 200, clientY: 201 }, true],
  ["on it", { clientX: 100, clientY: 200 }, false], ["by Enter, at 0, 0", { clientX: 0, clientY: 0, detail: 0 }, false],
]) {
  test(`a click ${where} ${closes ? "closes the dialog" : "does not close the dialog"}`, async (t) => {
    const page = await open(t);
    page.click(page.$("#opener"));
    page.click(page.dialog, point);
    assert.equal(page.dialog.open, !closes);
  });
}

test("a click within the dialog does not close it, wherever it says it was", async (t) => {
  const page = await open(t);
  page.click(page.$("#opener"));
  page.click(page.$("h2"), { clientX: 0, clientY: 0 });
  assert.equal(page.dialog.open, true);
});

test("sending the form closes the dialog; another form does not", async (t) => {
  const page = await open(t);
  page.click(page.$("#opener"));
  page.fire(page.$("#other"), "submit");
  assert.equal(page.dialog.open, true);
  page.fire(page.$("[data-closes]"), "submit");
  assert.equal(page.dialog.open, false);
});
