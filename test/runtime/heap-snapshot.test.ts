/**
 * Heap snapshots: their form, who may read them and when, and what a failure leaves behind.
 */

import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  renameSync,
  statSync,
  symlinkSync,
  utimesSync,
  watch,
  writeFileSync,
} from "node:fs";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { runtime } from "../../src/runtime/index.ts";
import { withFolder } from "./fixtures/folder.ts";
import { commandFor, withCommand, withProgram } from "./fixtures/program.ts";

const SLOW = { timeout: 60_000 };

test("a heap snapshot is one that Chrome's tools read", SLOW, async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "one.heapsnapshot");
    await runtime.writeHeapSnapshot(path);
    const { snapshot, nodes, strings } = JSON.parse(await readFile(path, "utf8"));
    assert.equal(nodes.length, snapshot.node_count * snapshot.meta.node_fields.length);
    assert.ok(strings.length > 100);
  });
});

test("a heap snapshot is readable by its owner alone, from its first byte on", SLOW, async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "private.heapsnapshot");
    const modes = new Set<number>();
    const look = () => {
      if (existsSync(path)) modes.add(statSync(path).mode & 0o777);
    };
    const watcher = watch(folder, look);
    try {
      await withProgram("snapshot.ts", [path], async ({ line }) => {
        assert.equal(await line(), "written with 100000 objects");
      });
      look();
    } finally {
      watcher.close();
    }
    assert.deepEqual([...modes], [0o600]);
  });
});

test("the folder of a heap snapshot is made when missing, for its owner alone", SLOW, async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "a", "b", "deep.heapsnapshot");
    await withProgram("snapshot.ts", [path], async ({ line }) => {
      assert.equal(await line(), "written with 100000 objects");
    });
    assert.equal((await stat(join(folder, "a", "b"))).mode & 0o777, 0o700);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
  });
});

test("a heap snapshot never replaces a file", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "mine.heapsnapshot");
    await writeFile(path, "precious");
    await assert.rejects(runtime.writeHeapSnapshot(path), /cannot be written to .*mine\.heapsnapshot.*exist/s);
    assert.equal(await readFile(path, "utf8"), "precious");
  });
});

test("a heap snapshot that does not fit leaves nothing behind and says so", SLOW, async () => {
  await withFolder(async (folder) => {
    await mkdir(join(folder, "out"));
    const path = join(folder, "out", "large.heapsnapshot");
    const [command, args] = commandFor("snapshot.ts", path);
    // The shell makes the limit (in KiB or half of it) an error of the write, in place of a signal.
    const limited = ["-c", 'trap "" XFSZ; ulimit -f 200; exec "$0" "$@"', command, ...args];
    await withCommand("sh", limited, {}, async ({ child, line }) => {
      assert.match((await line()) ?? "", /cannot be written to .*large\.heapsnapshot/);
      assert.deepEqual(await child.exited, { code: 0, signal: null });
    });
    assert.deepEqual(await readdir(join(folder, "out")), []);
  });
});

test("a heap snapshot goes to no folder that others may write to, and through no link", async () => {
  await withFolder(async (folder) => {
    const open = join(folder, "open");
    mkdirSync(open);
    for (const mode of [0o777, 0o775, 0o1777]) {
      chmodSync(open, mode);
      await assert.rejects(runtime.writeHeapSnapshot(join(open, "x.heapsnapshot")), /others may write to .*chmod go-w/);
    }
    symlinkSync(open, join(folder, "link"));
    await assert.rejects(runtime.writeHeapSnapshot(join(folder, "link", "x.heapsnapshot")), /is no folder but a link/);
    chmodSync(open, 0o700);
    writeFileSync(join(folder, "precious"), "precious");
    symlinkSync(join(folder, "precious"), join(open, "x.heapsnapshot"));
    await assert.rejects(runtime.writeHeapSnapshot(join(open, "x.heapsnapshot")), /cannot be written/);
    assert.equal(await readFile(join(folder, "precious"), "utf8"), "precious");
  });
});

test("a folder that is swapped while a heap snapshot is made gets nothing of it", SLOW, async () => {
  await withFolder(async (folder) => {
    const [logs, away, decoy] = ["logs", "away", "decoy"].map((name) => join(folder, name));
    assert.ok(logs && away && decoy);
    mkdirSync(decoy);
    mkdirSync(logs, { mode: 0o700 });
    // As soon as the file is there, which is before anything is written to it.
    const watcher = watch(logs, () => {
      if (existsSync(away)) return;
      renameSync(logs, away);
      symlinkSync(decoy, logs);
    });
    try {
      await withProgram("snapshot.ts", [join(logs, "x.heapsnapshot")], async ({ line }) => {
        assert.match((await line()) ?? "", /written with|cannot be written/);
      });
    } finally {
      watcher.close();
    }
    assert.deepEqual(await readdir(decoy), []);
  });
});

test("a folder keeps ten heap snapshots, and whatever else is in it", SLOW, async () => {
  await withFolder(async (folder) => {
    const name = (at: number) => `${at}_snapshot_20260101_0000${String(at).padStart(2, "0")}.heapsnapshot`;
    for (let at = 1; at <= 12; at++) {
      writeFileSync(join(folder, name(at)), "");
      utimesSync(join(folder, name(at)), at, at);
    }
    writeFileSync(join(folder, "my.heapsnapshot"), "");
    await runtime.writeHeapSnapshot(join(folder, "99_snapshot_20260101_000100.heapsnapshot"));
    const kept = [4, 5, 6, 7, 8, 9, 10, 11, 12].map(name);
    const all = [...kept, "99_snapshot_20260101_000100.heapsnapshot", "my.heapsnapshot"];
    assert.deepEqual((await readdir(folder)).sort(), all.sort());
  });
});
