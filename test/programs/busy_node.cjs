// Keeps a CPU busy in JavaScript, or in node's own C++ below JavaScript.
//
//   node busy_node.cjs javascript | json | zlib | crypto | regexp | sort [SECONDS]
//
//   javascript   busyOuter → busyMiddle → busyLeaf
//
// It ends itself after SECONDS, 60 when not given.
"use strict";

const crypto = require("node:crypto");
const zlib = require("node:zlib");

const text = JSON.stringify(
  Array.from({ length: 2000 }, (_, i) => ({ number: i, text: `row ${i}` })),
);
const bytes = Buffer.from(text.repeat(4));
const expression = /(a+)+b/;

function busyLeaf(count) {
  let value = 1;
  for (let i = 0; i < count; i++) value = (Math.imul(value, 31) + i) | 0;
  return value;
}

// Too large for the compiler to inline, each of them.
function busyMiddle(count) {
  let sum = 0;
  try {
    sum += busyLeaf(count);
  } finally {
    sum |= 1;
  }
  return sum;
}

function busyOuter(depth, count) {
  return depth > 0 ? (busyOuter(depth - 1, count) + 1) | 0 : (busyMiddle(count) + 1) | 0;
}

const ways = {
  javascript: () => busyOuter(10, 100_000),
  json: () => JSON.parse(text).length,
  zlib: () => zlib.deflateSync(bytes).length,
  crypto: () => crypto.createHash("sha256").update(bytes).digest()[0],
  regexp: () => (expression.test("aaaaaaaaaaaaaaaaaac") ? 1 : 0),
  sort: () => Array.from({ length: 5000 }, (_, i) => (i * 7919) % 5003).sort((a, b) => a - b)[0],
};

const end = Date.now() + Number(process.argv[3] ?? 60) * 1000;
let sum = 0;
while (Date.now() < end) sum = (sum + ways[process.argv[2]]()) | 0;
process.exitCode = sum === 0.5 ? 1 : 0;
