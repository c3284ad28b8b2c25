import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { htmlPieces } from "../../examples/_document/html-to-text.ts";
import { markdownPieces, type Piece } from "../../examples/_document/pieces.ts";

async function* inParts(text: string, size: number): AsyncGenerator<string> {
  for (let i = 0; i < text.length; i += size) yield text.slice(i, i + size);
}

async function read(pieces: AsyncIterable<Piece>): Promise<{ text: string; headings: string[] }> {
  let text = "";
  const headings: string[] = [];
  for await (const piece of pieces) {
    text += piece.text;
    if (piece.kind === "heading") headings.push(`${piece.level} ${piece.title}`);
  }
  return { text, headings };
}

const HTML = `<!DOCTYPE html><!-- a -- b > --><script type="x">"</scrip>" <p></script >\
<h2 class='>'>One&nbsp;&lt;b&gt;</h2>
<div>a<br>b &#x1F600; &#55296; &bogus; &amp;amp;</div><table><tr><td>1</td><td>2</td></tr></table>x < y <z> & w
<pre>  kept\n\n\n  too </pre><H3>Two</H3>end<`;

describe("htmlPieces", () => {
  test("gives the text, with lines where a reader sees them", async () => {
    assert.deepEqual(await read(htmlPieces(inParts(HTML, HTML.length))), {
      text: "One <b>\n\na\nb 😀 � &bogus; &amp;\n\n1 2\n\nx < y & w \n\n  kept\n\n\n  too \n\nTwo\n\nend<",
      headings: ["2 One <b>", "3 Two"],
    });
  });

  test("reads the same whatever the size of the parts it comes in", async () => {
    const whole = await read(htmlPieces(inParts(HTML, HTML.length)));
    for (const size of [1, 2, 3, 5, 8, 13]) assert.deepEqual(await read(htmlPieces(inParts(HTML, size))), whole);
  });

  test("ends on markup that never closes, without holding it", async () => {
    for (const open of ["<!--", "<script>", "<p title='", "&"]) {
      const { text } = await read(htmlPieces(inParts(`before ${open}${"x".repeat(300_000)}`, 50_000)));
      assert.match(text, /^before /);
    }
  });
});

describe("markdownPieces", () => {
  test("gives the whole text back, whatever the size of the parts and the length of the lines", async () => {
    const text = `# A\r\ntext\n~~~\n# no\n~~~\n${"long ".repeat(20_000)}\n## B #\nlast line`;
    for (const size of [1000, 65_536, text.length]) {
      const { text: same, headings } = await read(markdownPieces(inParts(text, size)));
      assert.equal(same, text);
      assert.deepEqual(headings, ["1 A", "2 B"]);
    }
  });
});
