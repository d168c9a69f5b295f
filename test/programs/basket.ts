// Bundled and minified by a test, which then looks for what is written here.
interface Order {
  readonly id: number;
}
export function computeTotals(orders: readonly Order[]): number {
  let sum = 0;
  for (const order of orders) sum += weigh(order);
  return sum;
}
const weigh = (order: Order): number => {
  let value = order.id;
  for (let round = 0; round < 50; round++) value = (value * 31 + round) % 1000003;
  return value;
};
class Basket {
  readonly #orders: Order[] = [];
  fill(count: number): this {
    for (let id = 0; id < count; id++) this.#orders.push({ id });
    return this;
  }
  get total(): number {
    return computeTotals(this.#orders);
  }
}
const end = performance.now() + Number(process.argv[2] ?? 1000);
let x = 0;
while (performance.now() < end)
  x += new Basket().fill(100).total + [1, 2, 3].reduce((a, b) => a + b, 0);
process.stdout.write(`${x}\n`);
