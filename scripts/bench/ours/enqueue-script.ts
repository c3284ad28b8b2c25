/**
 * Our producer as a process of its own: enqueues no-op tasks by Broker.enqueue of 1 000, one call after the other.
 * Arguments: the broker's address, number of tasks. Writes {"seconds"} to standard output.
 */
import { fill, openClient } from "./client.ts";

const [url, count] = process.argv.slice(2);
if (!url || !(Number(count) > 0)) throw new Error("usage: enqueue-script.ts URL COUNT");
const client = await openClient(url);
console.log(JSON.stringify({ seconds: await fill(client, Number(count)) }));
await client.close();
