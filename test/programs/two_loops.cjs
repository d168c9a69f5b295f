// Two loops of one function, each on a line of its own: the second has three times the rounds.
function spin(rounds) {
  let sum = 1;
  for (let round = 0; round < rounds; round++) sum = (sum * 31 + round) % 65537;
  for (let round = 0; round < 3 * rounds; round++) sum = (sum * 31 + round) % 65537;
  return sum;
}

let sum = 0;
for (let call = 0; call < 2000; call++) sum += spin(100);
// V8 writes its dump in pieces and never the last one: all of this code comes after that of spin.
for (let number = 0; number < 500; number++) {
  for (let time = 0; time < 3; time++) new RegExp(`a{${number}}b|c${time}`).test("aaac0");
}
const end = performance.now() + Number(process.argv[2]);
while (performance.now() < end) sum += spin(20_000);
process.stdout.write(`${sum}\n`);
