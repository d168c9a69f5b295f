// Has many inlined calls of many packages: of methods, closures and generic functions, within one
// another. It prints its arguments as JSON, sorted, and ends.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"
)

type point struct{ x, y int }

func (p point) add(q point) point { return point{p.x + q.x, p.y + q.y} }

func (p point) norm() int { return distance(p.x) + distance(p.y) }

func distance(value int) int {
	if value < 0 {
		return -value
	}
	return value
}

type number interface{ ~int | ~float64 }

func larger[N number](a, b N) N {
	if a > b {
		return a
	}
	return b
}

func largest[N number](values []N) N {
	var result N
	for _, value := range values {
		result = larger(result, value)
	}
	return result
}

func main() {
	total := 0
	for i := range os.Args {
		total += point{i, -i}.add(point{1, 2}).norm()
	}
	words := strings.Fields(strings.Join(os.Args[1:], " "))
	sort.Slice(words, func(i, j int) bool { return words[i] < words[j] })
	lengths := []int{total}
	for _, word := range words {
		lengths = append(lengths, len(word))
	}
	slices.SortFunc(lengths, func(a, b int) int { return b - a })
	text, err := json.Marshal(map[string]any{"words": words, "largest": largest(lengths)})
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text), largest([]float64{1, float64(total)}))
}
