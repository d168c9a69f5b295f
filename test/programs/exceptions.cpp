// Keeps a CPU busy below virtual calls, and in the C++ runtime that unwinds an exception.
//
//   exceptions [SECONDS]
//
//   main → shop::serve → shop::Express::handle → shop::Order::price → shop::tax        computes
//   main → shop::serve → shop::Express::handle → shop::refuse → __cxa_throw → …        throws
//
// It ends itself after SECONDS, 60 when not given.

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

#define KEEP __attribute__((noinline, noclone))

namespace shop {

volatile unsigned long sink;

// A slice is some 100 µs, so that frames are made and left often.
constexpr int SLICE_ROUNDS = 100000;
constexpr int THROWS = 20;

KEEP unsigned long tax(unsigned long value) {
  for (int i = 0; i < SLICE_ROUNDS; i++) {
    value = value * 31 + i;
    __asm__ volatile("" : "+r"(value));
  }
  return value;
}

// Destroyed while the exception passes.
struct Receipt {
  explicit Receipt(unsigned long number) : text(std::to_string(number)) {}
  KEEP ~Receipt() { sink += text.size(); }
  std::string text;
};

struct Order {
  virtual ~Order() = default;
  // The additions after the calls keep them from becoming jumps.
  KEEP virtual unsigned long price(unsigned long value) const { return tax(value) + 1; }
};

struct Handler {
  virtual ~Handler() = default;
  virtual unsigned long handle(const Order &order, unsigned long value) = 0;
};

KEEP unsigned long refuse(unsigned long depth) {
  const Receipt receipt(depth);
  if (depth == 0) throw std::runtime_error("refused");
  return refuse(depth - 1) + receipt.text.size();
}

struct Express : Handler {
  KEEP unsigned long handle(const Order &order, unsigned long value) override {
    unsigned long sum = order.price(value) + 1;
    for (int i = 0; i < THROWS; i++) {
      try {
        sum += refuse(10);
      } catch (const std::runtime_error &error) {
        sum += error.what()[0];
      }
    }
    return sum;
  }
};

KEEP unsigned long serve(Handler &handler, const std::vector<std::unique_ptr<Order>> &orders) {
  unsigned long sum = 0;
  for (const auto &order : orders) sum += handler.handle(*order, sum);
  return sum + 1;
}

}  // namespace shop

int main(int argc, char **argv) {
  alarm(argc > 1 ? std::atoi(argv[1]) : 60);
  std::vector<std::unique_ptr<shop::Order>> orders;
  for (int i = 0; i < 4; i++) orders.push_back(std::make_unique<shop::Order>());
  std::unique_ptr<shop::Handler> handler = std::make_unique<shop::Express>();
  for (;;) shop::sink += shop::serve(*handler, orders);
}
