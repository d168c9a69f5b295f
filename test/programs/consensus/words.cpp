// Containers and algorithms of the standard library, inlined as deep as they come.

#include <algorithm>
#include <deque>
#include <iterator>
#include <map>
#include <numeric>
#include <queue>
#include <sstream>
#include <unordered_set>

#include "shop.h"

namespace shop {

namespace {

std::vector<std::string> split(const std::string &text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), std::istream_iterator<std::string>()};
}

struct Edge {
  std::uint32_t to;
  std::uint64_t length;
};

class Graph {
 public:
  explicit Graph(std::uint32_t nodes) : edges_(nodes) {
    for (std::uint32_t from = 0; from < nodes; from++) {
      for (std::uint32_t step : {1u, 7u, 13u}) {
        edges_[from].push_back({(from * 5 + step) % nodes, nest<2>(from) % 100 + 1});
      }
    }
  }

  std::vector<std::uint64_t> distances(std::uint32_t start) const {
    constexpr auto far = ~std::uint64_t(0);
    std::vector<std::uint64_t> found(edges_.size(), far);
    using Place = std::pair<std::uint64_t, std::uint32_t>;
    std::priority_queue<Place, std::vector<Place>, std::greater<>> open;
    open.emplace(0, start);
    while (!open.empty()) {
      const auto [distance, node] = open.top();
      open.pop();
      if (found[node] != far) continue;
      found[node] = distance;
      for (const Edge &edge : edges_[node]) open.emplace(distance + edge.length, edge.to);
    }
    return found;
  }

 private:
  std::vector<std::deque<Edge>> edges_;
};

}  // namespace

std::uint64_t count_words(const std::vector<std::string> &texts) {
  std::map<std::string, std::uint32_t> counts;
  std::unordered_set<std::string> unique;
  for (const std::string &text : texts) {
    for (std::string &word : split(text)) {
      std::transform(word.begin(), word.end(), word.begin(),
                     [](unsigned char c) { return char(c >= 'a' && c <= 'z' ? c - 32 : c); });
      counts[word]++;
      unique.insert(std::move(word));
    }
  }
  std::vector<std::pair<std::uint32_t, std::string>> ranked;
  for (const auto &[word, count] : counts) ranked.emplace_back(count, word);
  const auto middle = ranked.begin() + std::ptrdiff_t(ranked.size() / 2);
  std::nth_element(ranked.begin(), middle, ranked.end(), std::greater<>());
  return std::accumulate(ranked.begin(), middle, std::uint64_t(unique.size()),
                         [](std::uint64_t sum, const auto &one) { return sum + one.first; });
}

std::uint64_t walk_graph(std::uint32_t nodes) {
  const auto found = Graph(nodes).distances(0);
  Average<std::uint64_t> average;
  for (std::uint64_t distance : found) average.add(distance);
  return average.value() + *std::max_element(found.begin(), found.end());
}

}  // namespace shop
