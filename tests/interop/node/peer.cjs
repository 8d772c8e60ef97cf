// A Node program on the test's Redis, driven by JSON lines: `node peer.cjs redis|ioredis <socket path>`.
//
//   in:  {"id": 1, "do": "publish", "args": ["shop:chat:lobby", "<base64>"]}
//   out: {"id": 1, "value": 1}                                     the answer
//        {"channel": "…", "pattern": "…" or null, "body": "<base64>"}   a message that came
"use strict";

const { once } = require("node:events");
const { createInterface } = require("node:readline");

const [library, path] = process.argv.slice(2);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const heard = (channel, pattern, body) =>
  say({ channel: String(channel), pattern: pattern && String(pattern), body: body.toString("base64") });

async function nodeRedis() {
  const { createClient } = require("redis");
  const client = createClient({ socket: { path } });
  client.on("error", (error) => say({ error: String(error) }));
  const listener = client.duplicate();
  listener.on("error", (error) => say({ error: String(error) }));
  await client.connect();
  await listener.connect();
  return {
    publish: (channel, body) => client.publish(channel, Buffer.from(body, "base64")),
    subscribe: (channel) => listener.subscribe(channel, (body, from) => heard(from, null, body), true),
    psubscribe: (pattern) => listener.pSubscribe(pattern, (body, from) => heard(from, pattern, body), true),
    xadd: (key, fields) => client.xAdd(key, "*", fields),
    xrange: async (key) => (await client.xRange(key, "-", "+")).map((entry) => [entry.id, entry.message]),
  };
}

async function ioredis() {
  const Redis = require("ioredis");
  const client = new Redis({ path });
  const listener = client.duplicate();
  await once(listener, "ready"); // one that subscribes before may have its ready check refused, and then connects again
  listener.on("messageBuffer", (channel, body) => heard(channel, null, body));
  listener.on("pmessageBuffer", (pattern, channel, body) => heard(channel, pattern, body));
  const paired = (flat) => Object.fromEntries(flat.flatMap((_, n) => (n % 2 ? [] : [[flat[n], flat[n + 1]]])));
  return {
    publish: (channel, body) => client.publish(channel, Buffer.from(body, "base64")),
    subscribe: (channel) => listener.subscribe(channel),
    psubscribe: (pattern) => listener.psubscribe(pattern),
    xadd: (key, fields) => client.xadd(key, "*", ...Object.entries(fields).flat()),
    xrange: async (key) => (await client.xrange(key, "-", "+")).map(([id, flat]) => [id, paired(flat)]),
  };
}

async function main() {
  const commands = await { redis: nodeRedis, ioredis }[library]();
  say({ id: 0, value: "ready" });
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, do: name, args } = JSON.parse(line);
    try {
      say({ id, value: (await commands[name](...args)) ?? null });
    } catch (error) {
      say({ id, failed: String(error) });
    }
  }
  process.exit(0); // stdin ended, or the suite died
}

main();
