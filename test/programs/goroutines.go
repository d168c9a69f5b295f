// Keeps a CPU busy in goroutines: in a chain of calls through an interface, in the growth of their
// stacks, in the garbage collector and in a channel.
//
//	goroutines [SECONDS]
//
//	main.main → main.serve → main.(*express).handle → main.price → main.tax
//	main.worker → main.descend × 200 → main.tax
//
// It ends itself after SECONDS, 60 when not given.
package main

import (
	"os"
	"strconv"
	"time"
)

// A slice is some 100 µs, so that frames are made and left often.
const sliceRounds = 100_000

type handler interface{ handle(value uint64) uint64 }

type express struct{ receipts [][]byte }

//go:noinline
func tax(value uint64) uint64 {
	for i := uint64(0); i < sliceRounds; i++ {
		value = value*31 + i
	}
	return value
}

//go:noinline
func price(value uint64) uint64 { return tax(value) + 1 }

//go:noinline
func (e *express) handle(value uint64) uint64 {
	e.receipts = append(e.receipts[:0], make([]byte, 4096))
	return price(value) + 1
}

//go:noinline
func serve(h handler) uint64 { return h.handle(1) + 1 }

//go:noinline
func descend(depth int) uint64 {
	var bytes [64]byte
	bytes[depth%64] = 1
	if depth > 1 {
		return descend(depth-1) + uint64(bytes[depth%64])
	}
	return tax(1)
}

//go:noinline
func worker(sums chan<- uint64) {
	for {
		sums <- descend(200)
	}
}

func main() {
	seconds := 60
	if len(os.Args) > 1 {
		seconds, _ = strconv.Atoi(os.Args[1])
	}
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	sums := make(chan uint64)
	go worker(sums)
	var sum uint64
	h := &express{}
	for time.Now().Before(end) {
		sum += serve(h)
		sum += <-sums
	}
	println(sum)
}
