// Has node make code of every kind: bytecode, what its three compilers make of functions and of
// loops that are running, WebAssembly, a regular expression, code of eval. Then it says "ready" and
// goes on.
//
//   node tiers_node.mjs [SECONDS]
//
// It ends itself after SECONDS, 60 when not given.

/** fib(n) by itself: one function of one argument, exported. */
const WASM = [
  [0, 97, 115, 109, 1, 0, 0, 0],
  [1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f],
  [3, 2, 1, 0],
  [7, 7, 1, 3, 0x66, 0x69, 0x62, 0, 0],
  [10, 30, 1, 28, 0, 0x20, 0, 0x41, 2, 0x48, 0x04, 0x7f, 0x20, 0, 0x05],
  [0x20, 0, 0x41, 1, 0x6b, 0x10, 0, 0x20, 0, 0x41, 2, 0x6b, 0x10, 0, 0x6a, 0x0b, 0x0b],
].flat();

const { fib } = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from(WASM))).exports;
const expression = /(a+b)+c|[x-z]{3}\s:/g;

class Shape {
  #size = 3;

  get [Symbol.toStringTag]() {
    return `shape ${this.area(2)}`;
  }

  area(depth) {
    return depth > 0 ? this.area(depth - 1) + this.#size : this.#size;
  }
}

function loops(count) {
  let value = 1;
  for (let i = 0; i < count; i++) value = (Math.imul(value, 31) + i) | 0;
  return value;
}

let sum = loops(50_000_000);
for (let i = 0; i < 200_000; i++) sum = (sum + String(new Shape()).length + loops(3)) | 0;
for (let i = 0; i < 20_000; i++) sum += "aabaabc xyz :".match(expression).length;
// biome-ignore lint/security/noGlobalEval: its code is wanted
for (let i = 0; i < 100; i++) sum += eval("(function added(value) { return value + 1; })(1)");
sum += fib(30);
process.stdout.write("ready\n");

const end = Date.now() + Number(process.argv[2] ?? 60) * 1000;
while (Date.now() < end) sum = (sum + loops(10_000)) | 0;
process.exitCode = sum === 0.5 ? 1 : 0;
