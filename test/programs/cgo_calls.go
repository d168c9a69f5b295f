// Keeps a CPU busy in C that Go calls, which C called, which Go called.
//
//	cgo_calls [SECONDS]
//
//	main.main → main.outer → cgo_back → main.goBack → main.inner → cgo_work → cgo_leaf
//
// It ends itself after SECONDS, 60 when not given.
package main

/*
#define KEEP static __attribute__((noinline))

// A slice is some 100 µs, so that frames are made and left often.
KEEP unsigned long cgo_leaf(void) {
  unsigned long value = 1;
  for (int i = 0; i < 100000; i++) {
    value = value * 31 + i;
    __asm__ volatile("" : "+r"(value));
  }
  return value;
}

// The additions after the calls keep them from becoming jumps.
KEEP unsigned long cgo_work(void) { return cgo_leaf() + 1; }

extern unsigned long goBack(void);

KEEP unsigned long cgo_back(void) { return goBack() + 1; }
*/
import "C"

import (
	"os"
	"strconv"
	"time"
)

//go:noinline
func inner() C.ulong { return C.cgo_work() + 1 }

//export goBack
func goBack() C.ulong { return inner() + 1 }

//go:noinline
func outer() C.ulong { return C.cgo_back() + 1 }

func main() {
	seconds := 60
	if len(os.Args) > 1 {
		seconds, _ = strconv.Atoi(os.Args[1])
	}
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	var sum C.ulong
	for time.Now().Before(end) {
		sum += outer()
	}
	println(sum)
}
