// Spends 60, 25 and 15 % of a given CPU time in three known call paths, several frames deep, and
// prints what it truly spent in each: the truth that a profile of it is held against.
//
//   three_paths CPU_SECONDS
//
//   main → shop::serve → shop::Parser::parse → shop::Parser::read_body → shop::checksum    60 %
//   main → shop::serve → shop::render → shop::draw_rows<int> → shop::blend                 25 %
//   main → shop::serve → shop::audit → shop::format_line → shop::digits                    15 %
//
// A path keeps the CPU for a whole block, so that a sampler's error is a sample at each edge of a
// block and not that of a coin thrown for each sample. Blocks differ in length, so that no
// sampling frequency falls into step with them.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <unistd.h>

// noipa also keeps the compiler from merging functions that look alike and from tail calls.
#define KEEP __attribute__((noinline, noipa))

static volatile std::uint64_t sink;

static std::uint64_t thread_cpu_ns() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::uint64_t(now.tv_sec) * 1000000000u + std::uint64_t(now.tv_nsec);
}

namespace shop {

// Each leaf works in slices of some 100 µs until the thread has used up its CPU time.
constexpr int slice_rounds = 50000;

KEEP std::uint64_t checksum(std::uint64_t until_ns) {
  std::uint64_t sum = 1;
  while (thread_cpu_ns() < until_ns)
    for (int i = 0; i < slice_rounds; i++) sum = sum * 31 + std::uint64_t(i);
  sink = sum;
  return sum;
}

KEEP std::uint64_t blend(std::uint64_t until_ns) {
  std::uint64_t pixel = 7;
  while (thread_cpu_ns() < until_ns)
    for (int i = 0; i < slice_rounds; i++) pixel = (pixel ^ std::uint64_t(i)) * 2654435761u;
  sink = pixel;
  return pixel;
}

KEEP std::uint64_t digits(std::uint64_t until_ns) {
  std::uint64_t value = 1234567;
  while (thread_cpu_ns() < until_ns)
    for (int i = 0; i < slice_rounds; i++) value = value * 10 + (value >> 60);
  sink = value;
  return value;
}

class Parser {
 public:
  KEEP std::uint64_t parse(std::uint64_t until_ns) { return read_body(until_ns) + 1; }

 private:
  KEEP std::uint64_t read_body(std::uint64_t until_ns) { return checksum(until_ns) + 1; }
};

template <typename Row>
KEEP Row draw_rows(std::uint64_t until_ns) {
  return Row(blend(until_ns)) + 1;
}

KEEP int render(std::uint64_t until_ns) { return draw_rows<int>(until_ns) + 1; }

KEEP std::uint64_t format_line(std::uint64_t until_ns) { return digits(until_ns) + 1; }

KEEP std::uint64_t audit(std::uint64_t until_ns) { return format_line(until_ns) + 1; }

struct Spent {
  std::uint64_t parse_ns = 0, render_ns = 0, audit_ns = 0;
};

KEEP void serve(std::uint64_t round_ns, Spent& spent) {
  Parser parser;
  const std::uint64_t start = thread_cpu_ns();
  sink = parser.parse(start + round_ns * 60 / 100);
  const std::uint64_t parsed = thread_cpu_ns();
  sink = std::uint64_t(render(parsed + round_ns * 25 / 100));
  const std::uint64_t rendered = thread_cpu_ns();
  sink = audit(rendered + round_ns * 15 / 100);
  const std::uint64_t audited = thread_cpu_ns();
  spent.parse_ns += parsed - start;
  spent.render_ns += rendered - parsed;
  spent.audit_ns += audited - rendered;
}

}  // namespace shop

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 1;
  const auto end_ns = std::uint64_t(seconds * 1e9);
  shop::Spent spent;
  for (std::uint64_t round = 0, now = thread_cpu_ns(); now < end_ns; round++) {
    const std::uint64_t round_ns = 170000000u + round * 37 % 100 * 1000000u;
    shop::serve(round_ns < end_ns - now ? round_ns : end_ns - now, spent);
    now = thread_cpu_ns();
  }
  const double total = double(spent.parse_ns + spent.render_ns + spent.audit_ns);
  std::printf("{\"pid\":%d,\"cpuNanos\":%llu,\"parse\":%.5f,\"render\":%.5f,\"audit\":%.5f}\n",
              getpid(), (unsigned long long)thread_cpu_ns(), double(spent.parse_ns) / total,
              double(spent.render_ns) / total, double(spent.audit_ns) / total);
  return 0;
}
