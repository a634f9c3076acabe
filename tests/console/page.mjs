// A page in headless Chromium that is watched: what it logs, what it throws, whom it asks. No step is here.

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import puppeteer from "puppeteer-core";

const require = createRequire(import.meta.url);
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const chromium = () =>
  process.env.CHROMIUM ??
  ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);

export const launch = () =>
  // Root, as in a container, has no sandbox.
  puppeteer.launch({ executablePath: chromium(), args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });

export async function open(browser, base) {
  const page = await (await browser.createBrowserContext()).newPage();
  await page.setViewport({ width: 1280, height: 900 });
  const seen = { errors: [], hosts: new Set() };
  page.on("pageerror", (error) => seen.errors.push(`thrown: ${error.message}`));
  page.on("console", (message) => {
    // Chromium notes every answer of 4xx itself; those are steps of the test.
    const refused = /status of 4\d\d/.test(message.text());
    if (message.type() === "error" && !refused) seen.errors.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (/^https?:$/.test(url.protocol)) seen.hosts.add(url.host);
  });
  page.setDefaultTimeout(30_000);
  await page.goto(base);
  return Object.assign(page, { seen, base });
}

/** Goes to a view and waits until it shows what it loads. */
export async function view(page, hash) {
  await page.evaluate((to) => (location.hash = to), hash);
  await settled(page);
}

export async function settled(page) {
  // What an address changes is drawn in the next frame.
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30))));
  await page.waitForFunction(() => !document.querySelector("[aria-busy=true]"));
}

export const text = (page, selector) => page.$eval(selector, (element) => element.innerText);

export const texts = (page, selector) =>
  page.$$eval(selector, (all) => all.map((element) => element.innerText.trim()));

/** Waits until the page says something. */
export const says = (page, what, selector = "body") =>
  page
    .waitForFunction((what, selector) => [...document.querySelectorAll(selector)].some((e) => e.innerText.includes(what)), {}, what, selector)
    .catch(async () => {
      throw new Error(`the page does not say ${JSON.stringify(what)}; it says:\n${(await text(page, "body")).slice(0, 1500)}`);
    });

/** Clicks the button, link or summary of this name, in the view rather than around it, once it can be clicked. */
export async function press(page, name) {
  const found = await page.waitForFunction(
    (name) =>
      ["main", "body"].flatMap((part) => [...document.querySelectorAll(`${part} :is(button, a, summary)`)]).find(
        (element) => (element.ariaLabel ?? element.innerText).trim() === name && !element.disabled && element.checkVisibility(),
      ),
    {},
    name,
  );
  await found.asElement().click();
}

/** The field of this label. */
export const field = (page, name) => page.waitForSelector(`main ::-p-aria([name="${name}"])`);

/** Types into a field what is to be there instead. */
export async function fill(page, name, value) {
  const found = await field(page, name);
  await found.focus();
  // A triple click would select one line of several.
  await found.evaluate((element) => element.select());
  await found.type(value);
}

/** What axe finds wrong with the page as it is. */
export async function accessible(page) {
  // By the protocol and not as a script of the page, which its policy would be asked about.
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ["violations"] });
    return violations.map((v) => `${v.id}: ${v.nodes.map((node) => node.html.slice(0, 150)).join(" | ")}`);
  });
}
