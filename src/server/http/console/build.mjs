// Makes index.html of src/: one file, scripts and styles inside. With --check it writes nothing and fails
// where index.html is not what src/ gives.

import { readFile, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const here = new URL("./", import.meta.url);
const path = (name) => new URL(name, here).pathname;

async function bundle(entry, options) {
  const made = await build({
    entryPoints: [path(entry)],
    bundle: true,
    minify: true,
    write: false,
    legalComments: "none",
    charset: "utf8",
    target: ["es2022", "chrome111", "firefox115", "safari16.4"],
    ...options,
  });
  return made.outputFiles[0].text.trim();
}

const script = await bundle("src/main.tsx", {
  format: "iife",
  jsx: "automatic",
  jsxImportSource: "preact",
});
const style = await bundle("src/style.css", {});
// Preact is in the page, so its licence has to be.
const licence = await readFile(path("node_modules/preact/LICENSE"), "utf8");
const frame = await readFile(path("src/frame.html"), "utf8");

// A page ends its script at the first of these, whatever the script thinks of it.
const inside = (text) => text.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
const page = frame
  .replace("(licence)", () => `Preact\n\n${licence.trim()}\n`)
  .replace("/* style */", () => style)
  .replace("/* script */", () => inside(script));

const target = path("index.html");
if (process.argv.includes("--check")) {
  const there = await readFile(target, "utf8").catch(() => "");
  if (there !== page) {
    console.error("index.html is not what src/ gives: run `npm ci && npm run build`");
    process.exit(1);
  }
} else {
  await writeFile(target, page);
  console.log(`index.html: ${(page.length / 1024).toFixed(0)} KiB`);
}
