// Classes behind a factory: virtual calls, several bases, thunks, constructors in two variants.

#include <algorithm>
#include <cstring>
#include <list>
#include <memory>
#include <set>
#include <unordered_map>

#include "shop.h"

namespace shop {

namespace {

class Plain : public Handler {
 public:
  std::uint64_t handle(const Item &item) override { return item.total(); }
};

struct Named {
  explicit Named(const char *label) : label_(label) { uses_.push_back(label_.size()); }
  virtual ~Named() { uses_.clear(); }
  virtual const char *label() const { return label_.c_str(); }
  std::string label_;
  std::list<std::size_t> uses_;
};

class Counting : public virtual Named, public Handler {
 public:
  Counting() : Named("counting") {}
  std::uint64_t handle(const Item &item) override {
    auto [at, fresh] = seen_.try_emplace(item.name, 0);
    at->second += item.amount;
    return fresh ? 1 : std::uint64_t(at->second);
  }
  const char *name() const override { return label(); }

 protected:
  std::unordered_map<std::string, std::uint32_t> seen_;
};

class Limited final : public Counting {
 public:
  Limited() : Named("limited") {}
  std::uint64_t handle(const Item &item) override {
    if (item.amount > 90) refuse(item);
    return Counting::handle(item) + limit_;
  }

 private:
  [[gnu::noinline]] void refuse(const Item &item) {
    static std::uint64_t refused = std::strlen(name());
    refused += item.amount;
    limit_ = refused % 13;
  }
  std::uint64_t limit_ = 5;
};

class Chain : public Handler {
 public:
  Chain() {
    parts_.push_back(std::make_shared<Plain>());
    parts_.push_back(std::make_shared<Counting>());
    parts_.push_back(std::make_shared<Limited>());
  }
  std::uint64_t handle(const Item &item) override {
    std::set<std::uint64_t, std::greater<>> results;
    std::for_each(parts_.begin(), parts_.end(), [&](const std::shared_ptr<Handler> &part) {
      results.insert(guarded([&] { return part->handle(item); }));
    });
    return results.empty() ? 0 : *results.begin();
  }

 private:
  template <typename Action>
  std::uint64_t guarded(Action action) {
    try {
      return action();
    } catch (const OutOfStock &) {
      return 0;
    } catch (...) {
      failures_++;
      throw;
    }
  }
  std::vector<std::shared_ptr<Handler>> parts_;
  std::uint64_t failures_ = 0;
};

}  // namespace

std::unique_ptr<Handler> make_handler(int kind) {
  switch (kind) {
    case 0: return std::make_unique<Plain>();
    case 1: return std::make_unique<Counting>();
    case 2: return std::make_unique<Limited>();
    default: return std::make_unique<Chain>();
  }
}

}  // namespace shop
