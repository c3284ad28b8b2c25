/**
 * An address that moves, as a virtual IP or a service name does: new connections go to where it leads now, old ones
 * live on.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface MovingAddress {
  readonly port: number;
  /** From now on it leads to this port of this machine. */
  moveTo(port: number): void;
  close(): Promise<void>;
}

export async function movingAddress(first: number): Promise<MovingAddress> {
  let leadsTo = first;
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    const behind = connect(leadsTo, "127.0.0.1");
    for (const [one, other] of [
      [socket, behind],
      [behind, socket],
    ] as const) {
      open.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    moveTo(port) {
      leadsTo = port;
    },
    async close() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
