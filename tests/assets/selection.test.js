import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage, settle } from "./page.js";

const HTML = `<table><tr><th><input type="checkbox" data-select-all></th></tr>
${["a", "b", "c", "d"].map((name) => `<tr><td><input type="checkbox" data-select="p/${name}" id="${name}"></td></tr>`).join("")}</table>
<div id="selected" hidden><b id="selected-count">0</b><button data-bulk="pause">Pause</button>
<button data-open="bulk-delete">Delete</button><button data-select-none>Clear</button>
<form data-bulk-port><input name="action"><input name="jobs"></form></div>`;

const open = async (t) => {
  const page = await openPage(t, HTML, { scripts: ["selection"] });
  page.sent = [];
  page.$("form").addEventListener("submit", (event) => {
    event.preventDefault();
    page.sent.push([page.$("[name=action]").value, page.$("[name=jobs]").value]);
  });
  page.pick = (id, init) => page.click(page.$(`#${id}`), init);
  page.picked = () => page.all("[data-select]").filter((box) => box.checked).map((box) => box.id).join("");
  page.count = () => [page.$("#selected").hidden, page.$("#selected-count").textContent];
  return page;
};

test("a selection shows its acts and counts, and names the jobs to the dialog", async (t) => {
  const page = await open(t);
  page.pick("a");
  assert.deepEqual(page.count(), [false, "1 job selected"]);
  page.pick("c");
  assert.deepEqual(page.count(), [false, "2 jobs selected"]);
  assert.deepEqual({ ...page.$("[data-open]").dataset }, { open: "bulk-delete", giveJobs: "p/a p/c", giveCount: "2 jobs" });
  assert.equal(page.$("[data-select-all]").indeterminate, true);
  page.click(page.$("[data-select-none]"));
  assert.deepEqual([page.picked(), page.count()[0]], ["", true]);
});

test("an act sends the selected jobs once and selects nothing then", async (t) => {
  const page = await open(t);
  page.pick("b");
  page.pick("d");
  page.click(page.$("[data-bulk]"));
  assert.deepEqual([page.sent, page.picked()], [[["pause", "p/b p/d"]], ""]);
});

test("Shift selects a range, the head all or none", async (t) => {
  const page = await open(t);
  page.pick("b");
  page.pick("d", { shiftKey: true });
  assert.equal(page.picked(), "bcd");
  page.click(page.$("[data-select-all]"));
  assert.equal(page.picked(), "abcd");
  page.click(page.$("[data-select-all]"));
  assert.equal(page.picked(), "");
});

test("arrow keys move between rows, with Shift they select, and one box is a Tab stop", async (t) => {
  const page = await open(t), stops = () => page.all("[data-select]").filter((box) => box.tabIndex === 0).map((box) => box.id).join("");
  assert.equal(stops(), "a");
  page.$("#a").focus();
  page.press(page.$("#a"), "ArrowDown");
  page.press(page.$("#b"), "ArrowDown", { shiftKey: true });
  assert.deepEqual([page.document.activeElement.id, page.picked(), stops()], ["c", "bc", "c"]);
  page.press(page.$("#c"), "End");
  assert.equal(page.document.activeElement.id, "d");
});

test("rows that come or go change the count", async (t) => {
  const page = await open(t);
  page.pick("a");
  page.pick("b");
  page.$("#a").closest("tr").remove();
  await settle();
  assert.deepEqual(page.count(), [false, "1 job selected"]);
});
