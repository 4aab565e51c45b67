// Builds the pages into dist/: index.html, assets/app.[hash].js and .css, chat-sw.js (the service worker, whose name must not change) and altcha-worker.js (what solves
// challenges), each with a .gz twin that the server sends to
// clients that accept it. Nothing is inlined, because the pages are served under a strict Content-Security-Policy.
//
//   node build.mjs            once, minified
//   node build.mjs --watch    on every change, with source maps
//   node build.mjs --test     bundles test/*.test.ts and runs them with node --test
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { constants, gzipSync } from "node:zlib";
import * as esbuild from "esbuild";

const root = dirname(fileURLToPath(import.meta.url));
const dist = join(root, "dist");

/** Writes index.html with the names of the hashed files, and the compressed twins. */
async function finish(result) {
  const outputs = Object.keys(result.metafile.outputs).map((path) => path.replace(/^dist\//, ""));
  const script = outputs.find((path) => /app\.[A-Z0-9]+\.js$/.test(path));
  const style = outputs.find((path) => /app\.[A-Z0-9]+\.css$/.test(path));
  const template = await readFile(join(root, "index.html"), "utf8");
  await writeFile(
    join(dist, "index.html"),
    template.replace("%STYLE%", `/${style}`).replace("%SCRIPT%", `/${script}`),
  );
  const compress = ["index.html", "chat-sw.js", "altcha-worker.js", ...outputs.filter((path) => /\.(js|css|svg)$/.test(path))];
  for (const path of compress) {
    const bytes = await readFile(join(dist, path));
    await writeFile(
      join(dist, `${path}.gz`),
      gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION }),
    );
  }
  const sizes = compress.map((path) =>
    `${path} ${result.metafile.outputs[`dist/${path}`]?.bytes ?? ""}`.trim(),
  );
  console.log(`built ${sizes.join(", ")}`);
}

/** Each of its own, in one piece. */
const workers = (watch) =>
  esbuild.build({
    absWorkingDir: root,
    entryPoints: { "chat-sw": "src/chat/worker.ts", "altcha-worker": "altcha/worker" },
    outdir: "dist",
    bundle: true,
    format: "iife",
    target: ["es2022"],
    minify: !watch,
    legalComments: "none",
    logLevel: "warning",
  });

async function build(watch) {
  await rm(dist, { recursive: true, force: true });
  await mkdir(dist, { recursive: true });
  await workers(watch);
  const options = {
    absWorkingDir: root,
    entryPoints: { app: "src/main.tsx" },
    outdir: "dist/assets",
    entryNames: "[name].[hash]",
    chunkNames: "[name].[hash]",
    splitting: true,
    assetNames: "[name].[hash]",
    bundle: true,
    format: "esm",
    target: ["es2022"],
    jsx: "automatic",
    jsxImportSource: "preact",
    loader: { ".svg": "file" },
    publicPath: "/assets",
    minify: !watch,
    sourcemap: watch,
    metafile: true,
    legalComments: "none",
    logLevel: "warning",
    plugins: [
      {
        name: "finish",
        setup(api) {
          api.onEnd((result) => (result.errors.length === 0 ? finish(result) : undefined));
        },
      },
    ],
  };
  if (!watch) return esbuild.build(options);
  const context = await esbuild.context(options);
  await context.watch();
}

async function test() {
  const out = await mkdtemp(join(tmpdir(), "foyer-web-test-"));
  const files = (await readdir(join(root, "test"))).filter((name) => name.endsWith(".test.ts"));
  await esbuild.build({
    absWorkingDir: root,
    entryPoints: files.map((name) => join("test", name)),
    outdir: out,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    jsx: "automatic",
    jsxImportSource: "preact",
    sourcemap: "inline",
    logLevel: "warning",
  });
  const bundles = files.map((name) => join(out, basename(name).replace(/\.ts$/, ".mjs")));
  const run = spawnSync(process.execPath, ["--enable-source-maps", "--test", ...bundles], {
    stdio: "inherit",
  });
  await rm(out, { recursive: true, force: true });
  process.exitCode = run.status ?? 1;
}

if (process.argv.includes("--test")) await test();
else await build(process.argv.includes("--watch"));
