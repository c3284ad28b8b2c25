/** An HTTP endpoint that does as it is told, also what no server should: it answers on the bare connection. */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";

/** A request as it came. */
export interface Received {
  readonly method: string;
  readonly path: string;
  /** By names in small letters. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export type Answering = (socket: Socket, received: Received) => void;

export class Endpoint {
  readonly received: Received[] = [];
  /** Connections that were made, and those of them that are closed. */
  connections = 0;
  closed = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  answer: Answering;

  constructor(answer: Answering) {
    this.answer = answer;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  async listen(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("it does not listen");
    return address.port;
  }

  url(path = "/"): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  /** Waits until all of its connections are closed. */
  async untilClosed(): Promise<void> {
    const open = [...this.#sockets];
    await Promise.all(open.map((socket) => new Promise((resolve) => void socket.on("close", resolve))));
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  #serve(socket: Socket): void {
    this.connections++;
    this.#sockets.add(socket);
    let text = "";
    socket.on("error", () => {});
    socket.on("close", () => {
      this.closed++;
      this.#sockets.delete(socket);
    });
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      const received = readRequest(text);
      if (received === null) return;
      text = "";
      this.received.push(received);
      this.answer(socket, received);
    });
  }
}

const open: Endpoint[] = [];

/** One that listens until `closeEndpoints`. */
export async function endpointThat(answer: Answering): Promise<Endpoint> {
  const endpoint = new Endpoint(answer);
  await endpoint.listen();
  open.push(endpoint);
  return endpoint;
}

/** For the end of a file of tests. */
export async function closeEndpoints(): Promise<void> {
  await Promise.all(open.splice(0).map((endpoint) => endpoint.close()));
}

/** A whole answer with a body. */
export function answerWith(status: string, body = "", headers: Readonly<Record<string, string>> = {}): Answering {
  return (socket) => {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const length = Buffer.byteLength(body);
    socket.write(`HTTP/1.1 ${status}\r\n${lines.join("")}Content-Length: ${length}\r\n\r\n${body}`);
  };
}

function readRequest(text: string): Received | null {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const [first = "", ...lines] = text.slice(0, end).split("\r\n");
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
  );
  const body = text.slice(end + 4);
  if (body.length < Number(headers["content-length"] ?? 0)) return null;
  const [method = "", path = ""] = first.split(" ");
  return { method, path, headers, body: Buffer.from(body, "latin1").toString() };
}
