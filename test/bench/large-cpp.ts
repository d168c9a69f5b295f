import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../src/support/package-root.ts";

/** Units of the program; each is 1.8 MB of the file. */
const UNITS = 11;

/**
 * A C++ program of 20 MB, nearly all of it debug information of inlined templates. Compiled once,
 * in half a minute.
 */
export function largeCppProgram(): string {
  const folder = join(packageRoot(), "build/bench/large-cpp");
  const path = join(folder, "program");
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  const units = Array.from({ length: UNITS }, (_, unit) => unit);
  for (const unit of units) writeFileSync(join(folder, `unit${unit}.cpp`), sourceOf(unit));
  const declarations = units.map((unit) => `namespace n${unit} { double run(int); }`).join("\n");
  const calls = units.map((unit) => `sum += n${unit}::run(argc);`).join(" ");
  const main = `int main(int argc, char **) { double sum = 0; ${calls} return sum == 7; }`;
  writeFileSync(join(folder, "main.cpp"), `${declarations}\n${main}\n`);
  const objects = ["main", ...units.map((unit) => `unit${unit}`)].map((name) => {
    const args = ["-std=c++17", "-g", "-O2", "-c", `${name}.cpp`, "-o", `${name}.o`];
    execFileSync("g++", args, { cwd: folder });
    return `${name}.o`;
  });
  execFileSync("g++", ["-Wl,--build-id", "-o", "program.part", ...objects], { cwd: folder });
  renameSync(`${path}.part`, path);
  return path;
}

function sourceOf(unit: number): string {
  return `
#include <algorithm>
#include <functional>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>
namespace n${unit} {
struct Key {
  int number;
  std::string text;
  bool operator<(const Key &other) const { return number < other.number || text < other.text; }
};
template <int N> struct Work {
  std::map<Key, std::vector<std::string>> lists;
  std::unordered_map<std::string, double> sums;
  double go(int count) {
    for (int i = 0; i < count; i++) {
      lists[Key{i, std::to_string(i * N)}].push_back("value");
      sums[std::to_string(i)] += i * 0.5;
    }
    std::vector<std::pair<double, std::string>> sorted;
    for (auto &sum : sums) sorted.emplace_back(sum.second, sum.first);
    std::sort(sorted.begin(), sorted.end(),
              [](auto &a, auto &b) { return a.first * N < b.first * N; });
    std::ostringstream text;
    for (auto &one : sorted) text << one.first << one.second;
    auto weigh = [&](int weight) {
      double sum = 0;
      for (auto &list : lists) sum += list.second.size() * weight;
      return sum;
    };
    return weigh(N) + text.str().size();
  }
};
double run(int count) {
  std::regex pattern("a+b${unit}");
  return Work<${unit}>().go(count) + Work<${unit + 100}>().go(count) +
         std::regex_match("aab", pattern);
}
}
`;
}
