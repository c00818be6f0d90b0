import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage } from "./page.js";

const open = async (t, html = "<b data-heard>…</b><b data-heard></b>") => {
  const page = await openPage(t, html, { scripts: ["connection"] });
  page.hear = () => { page.window.crontopusHeard = Date.now(); };
  page.lost = () => page.document.documentElement.dataset.link === "lost";
  return page;
};

test("before the server was heard nothing is lost", async (t) => {
  const page = await open(t);
  page.tick(60_000);
  assert.equal(page.lost(), false);
});

test("after four seconds of silence the mark says since when", async (t) => {
  const page = await open(t);
  page.hear();
  page.tick(4000);
  assert.equal(page.lost(), false);
  page.tick(500);
  assert.equal(page.lost(), true);
  assert.deepEqual(page.all("[data-heard]").map((each) => each.textContent), ["21:00:00", ""]);
});

test("a server that is heard again is live at the next look, or with its own event", async (t) => {
  const page = await open(t);
  page.hear();
  page.tick(5000);
  page.hear();
  page.tick(500);
  assert.equal(page.lost(), false);
  page.tick(5000);
  assert.equal(page.lost(), true);
  page.hear();
  page.fire(page.window, "crontopus-heard");
  assert.equal(page.lost(), false);
});

test("a server that speaks every two seconds is never lost", async (t) => {
  const page = await open(t);
  for (let i = 0; i < 30; i++) {
    page.hear();
    page.tick(2000);
    assert.equal(page.lost(), false);
  }
});

test("a browser that is offline says so at once, and is live again at once", async (t) => {
  const page = await open(t);
  page.hear();
  page.navigator.onLine = false;
  page.fire(page.window, "offline");
  assert.equal(page.lost(), true);
  page.navigator.onLine = true;
  page.fire(page.window, "online");
  assert.equal(page.lost(), false);
});

for (const [kind, target] of [["focus", "window"], ["pageshow", "window"], ["visibilitychange", "document"]]) {
  test(`${kind} after a sleep shows the silence before any timer`, async (t) => {
    const page = await open(t);
    page.window.crontopusHeard = Date.now() - 3_600_000;
    page.fire(page[target], kind);
    assert.equal(page.lost(), true);
    assert.equal(page.$("[data-heard]").textContent, "20:00:00");
  });
}

test("since when is told in the account's zone", async (t) => {
  const page = await open(t, `<div class="app" data-zone="Europe/Berlin"><b data-heard>…</b></div>`);
  page.hear();
  page.tick(4500);
  assert.equal(page.$("[data-heard]").textContent, "13:00:00");
});

test("while it stays lost the mark keeps its time", async (t) => {
  const page = await open(t);
  page.hear();
  page.tick(4500);
  page.$("[data-heard]").textContent = "kept";
  page.tick(5000);
  assert.equal(page.$("[data-heard]").textContent, "kept");
});
