import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage } from "./page.js";

const HTML = `<nav class="rail"><a href="/" class="on">Overview</a><a href="/jobs">Jobs</a></nav>`;

/** The rail is 100 px wide; its links, 40 px each, begin at 300 px. */
const open = async (t) => {
  const page = await openPage(t, HTML, { scripts: [] });
  page.rail = page.$(".rail");
  Object.defineProperty(page.rail, "clientWidth", { value: 100 });
  page.all("a").forEach((link, i) => {
    Object.defineProperty(link, "offsetLeft", { value: 300 + 40 * i });
    Object.defineProperty(link, "offsetWidth", { value: 40 });
  });
  await page.script("rail");
  return page;
};

test("the present page's link is scrolled into the middle of the rail", async (t) => {
  const page = await open(t);
  assert.equal(page.rail.scrollLeft, 270);
});

test("whoever scrolls the rail is left alone until the page changes", async (t) => {
  const page = await open(t), [first, second] = page.all("a");
  page.rail.scrollLeft = 5;
  page.document.body.append("x");
  await page.draw();
  assert.equal(page.rail.scrollLeft, 5);
  first.className = "";
  second.className = "on";
  page.document.body.append("x");
  await page.draw();
  assert.equal(page.rail.scrollLeft, 310);
});

test("a page without a rail scrolls nothing", async (t) => {
  const page = await openPage(t, "<p></p>", { scripts: ["rail"] });
  assert.equal(page.$(".rail"), null);
});
