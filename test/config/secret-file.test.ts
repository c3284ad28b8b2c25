import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ConfigError } from "../../src/config/config-error.ts";
import { redact } from "../../src/config/redact.ts";
import { readSecretFile } from "../../src/config/tables/secret-file.ts";

const folder = mkdtempSync(join(tmpdir(), "taskexe-secret-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, "secret");

function read(text: string, mode = 0o600) {
  writeFileSync(path, text);
  chmodSync(path, mode);
  return readSecretFile(path, "taskexe.toml:[http.x]");
}

function refusal(text: string): string {
  try {
    read(text);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message;
  }
  return assert.fail("no ConfigError came");
}

test("each line is a key: its own bytes, or those behind whsec_", () => {
  const key = Buffer.from("0123456789abcdef0123456789abcdef");
  const { keys, warning } = read(`# the new one\nwhsec_${key.toString("base64")}\n\n  a secret with blanks  \r\n`);
  assert.deepEqual(
    keys.map((one) => Buffer.from(one).toString()),
    [key.toString(), "a secret with blanks"],
  );
  assert.equal(warning, null);
});

test("a file that others may read is told", () => {
  assert.match(read("a secret of sixteen\n", 0o644).warning ?? "", /every user of this machine may read .*chmod o-rwx/);
});

test("none, too many, too short ones and broken ones are refused, and not shown", () => {
  const many = Array.from({ length: 6 }, (_, n) => `s3cret-number-000${n}`).join("\n");
  for (const text of [
    "",
    "# nothing\n",
    many,
    "s3cret\n",
    "whsec_s3cret!!\n",
    "whsec_c2hvcnQ=\n",
    "good-secret-0000\ns3cret",
  ]) {
    const said = refusal(text);
    assert.match(said, /^taskexe\.toml:\[http\.x\] secret_file: .*secret: expected one secret a line, at most 5/, text);
    assert.doesNotMatch(said, /s3cret|c2hv/);
  }
  rmSync(path);
  assert.throws(() => readSecretFile(path, "here"), /here secret_file: the file .* cannot be read: no such file/);
});

test("once it was read, no text shows it", () => {
  read("the-best-kept-secret\n");
  assert.equal(redact("it says the-best-kept-secret aloud"), "it says *** aloud");
});
