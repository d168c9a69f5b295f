// What the files of the consensus program share: templates and inline functions, which each file
// compiles on its own, so that one name stands in several units.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

extern "C" {
// From plain.c.
std::uint64_t plain_mix(std::uint64_t seed, const char *text);
int plain_parse(const char *text, long *value);
}

namespace shop {

inline namespace v2 {

struct Item {
  std::string name;
  std::uint32_t price = 0;
  std::uint16_t amount = 1;

  std::uint64_t total() const { return std::uint64_t(price) * amount; }
  bool operator<(const Item &other) const { return total() < other.total(); }
};

}  // namespace v2

class OutOfStock : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

template <typename Value, int Scale = 1>
class Average {
 public:
  void add(Value value) {
    if (count_ == 0) low_ = high_ = value;
    if (value < low_) low_ = value;
    if (high_ < value) high_ = value;
    sum_ += value * Scale;
    count_++;
  }
  Value value() const { return count_ == 0 ? Value() : sum_ / Value(count_); }
  template <typename Visitor>
  auto visit(Visitor &&visitor) const {
    return visitor(low_, value(), high_);
  }

 private:
  Value sum_ = Value(), low_ = Value(), high_ = Value();
  std::size_t count_ = 0;
};

struct Handler {
  virtual ~Handler() = default;
  virtual std::uint64_t handle(const Item &item) = 0;
  virtual const char *name() const { return "handler"; }
};

std::unique_ptr<Handler> make_handler(int kind);
std::uint64_t count_words(const std::vector<std::string> &texts);
std::uint64_t walk_graph(std::uint32_t nodes);

template <int Depth>
inline std::uint64_t nest(std::uint64_t value) {
  if constexpr (Depth == 0) {
    return plain_mix(value, "nest");
  } else {
    return nest<Depth - 1>(value * 31 + Depth) ^ value;
  }
}

}  // namespace shop
