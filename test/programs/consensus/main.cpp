// A program whose debug information has what symbolizers disagree about: deep inlining, local
// classes, lambdas in lambdas, names without linkage, cold parts, exceptions, virtual calls.
//
//   consensus ROUNDS

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <numeric>
#include <optional>
#include <variant>

#include "shop.h"

namespace {

struct Tally {
  std::uint64_t sum = 0;
  Tally &operator+=(std::uint64_t value) {
    sum += value;
    return *this;
  }
};

template <typename Range, typename Key>
auto sorted_by(Range range, Key key) {
  std::sort(range.begin(), range.end(),
            [&](const auto &a, const auto &b) { return key(a) < key(b); });
  return range;
}

[[gnu::cold]] [[gnu::noinline]] void complain(const char *what, std::uint64_t value) {
  std::fprintf(stderr, "%s: %llu\n", what, static_cast<unsigned long long>(value));
}

// Its unlikely part is split off into a part of its own.
[[gnu::noinline]] std::uint64_t checked(const std::vector<shop::Item> &items, std::size_t at) {
  if (__builtin_expect(at >= items.size(), 0)) {
    complain("no item", at);
    throw shop::OutOfStock("item " + std::to_string(at));
  }
  const auto &item = items[at];
  if (__builtin_expect(item.price > 1'000'000, 0)) {
    complain("dear", item.price);
    std::abort();
  }
  return item.total();
}

[[gnu::noinline]] std::uint64_t with_local_class(std::uint64_t seed) {
  struct Counter {
    std::uint64_t state;
    struct Step {
      std::uint64_t by;
      [[gnu::noinline]] std::uint64_t apply(std::uint64_t to) const { return to * 33 + by; }
    };
    std::uint64_t next() {
      state = Step{state & 7}.apply(state);
      return state >> 3;
    }
  };
  Counter counter{seed};
  auto twice = [&counter](auto... more) {
    auto inner = [&counter, more...](std::uint64_t x) {
      return counter.next() + x + (0 + ... + std::uint64_t(more));
    };
    return inner(counter.next()) ^ inner(3);
  };
  return twice(1, 2u, 'c') + twice();
}

using Part = std::variant<int, std::string, shop::Item>;

[[gnu::noinline]] std::uint64_t visit_parts(const std::vector<Part> &parts) {
  Tally tally;
  for (const Part &part : parts) {
    tally += std::visit(
        [](const auto &value) -> std::uint64_t {
          using Value = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<Value, int>) return std::uint64_t(value);
          else if constexpr (std::is_same_v<Value, std::string>) return value.size();
          else return value.total();
        },
        part);
  }
  return tally.sum;
}

std::optional<long> parse(const std::string &text) {
  long value;
  if (plain_parse(text.c_str(), &value) != 0) return std::nullopt;
  return value;
}

template <std::size_t... At>
std::uint64_t unrolled(const std::array<std::uint64_t, sizeof...(At)> &values,
                       std::index_sequence<At...>) {
  return (0 + ... + shop::nest<At % 4>(values[At]));
}

[[gnu::noinline]] std::uint64_t through_functions(std::uint64_t value) {
  std::map<std::string, std::function<std::uint64_t(std::uint64_t)>> steps;
  steps["double"] = [](std::uint64_t x) { return x * 2; };
  steps["mix"] = [value](std::uint64_t x) { return plain_mix(x, "mix") ^ value; };
  steps["nest"] = shop::nest<3>;
  for (const auto &[name, step] : steps) value = step(value) + name.size();
  return value;
}

std::vector<shop::Item> make_items(std::uint32_t count) {
  std::vector<shop::Item> items;
  items.reserve(count);
  for (std::uint32_t i = 0; i < count; i++) {
    items.push_back({"item " + std::to_string(i * 7919 % 1009), i * 31 % 997, std::uint16_t(i)});
  }
  return items;
}

}  // namespace

int main(int argc, char **argv) {
  const auto rounds = std::uint32_t(argc > 1 ? std::atoi(argv[1]) : 3);
  std::uint64_t sum = 0;
  shop::Average<double> prices;
  shop::Average<long, 2> amounts;
  for (std::uint32_t round = 0; round < rounds; round++) {
    auto items = sorted_by(make_items(100 + round), [](const shop::Item &i) { return i.name; });
    std::stable_sort(items.begin(), items.end());
    for (std::size_t at = 0; at <= items.size(); at++) {
      try {
        sum += checked(items, at);
        prices.add(items[at].price);
        amounts.add(items[at].amount);
      } catch (const shop::OutOfStock &error) {
        sum += std::char_traits<char>::length(error.what());
      }
    }
    for (int kind = 0; kind < 4; kind++) {
      auto handler = shop::make_handler(kind);
      for (const auto &item : items) sum += handler->handle(item);
      sum += plain_mix(sum, handler->name());
    }
    std::vector<std::string> texts;
    for (const auto &item : items) texts.push_back(item.name + " of " + std::to_string(item.price));
    sum += shop::count_words(texts);
    sum += shop::walk_graph(50 + round);
    sum += with_local_class(sum);
    sum += visit_parts({int(round), std::string("text"), items.front()});
    sum += through_functions(sum);
    sum += unrolled<0, 1, 2, 3, 4, 5>({sum, 1, 2, 3, 4, 5}, std::make_index_sequence<6>());
    sum += std::uint64_t(parse(std::to_string(round)).value_or(-1));
  }
  sum += prices.visit([](double a, double b, double c) { return std::uint64_t(a + b * c); });
  sum += amounts.visit([](long a, long b, long c) { return std::uint64_t(a ^ b ^ c); });
  std::printf("%llu\n", static_cast<unsigned long long>(sum));
}
