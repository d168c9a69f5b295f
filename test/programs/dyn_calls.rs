//! Keeps a CPU busy below trait objects and closures, and in the panics that they raise and catch,
//! on the main thread or, with `thread` as first argument, on another one.
//!
//!   dyn_calls main|thread [SECONDS]
//!
//!   shop::serve → <shop::Express as shop::Handler>::handle → shop::price → shop::tax      computes
//!   shop::serve → <shop::Express as shop::Handler>::handle → shop::refuse → …             panics
//!
//! It ends itself after SECONDS, 60 when not given.

use std::hint::black_box;
use std::panic::{catch_unwind, set_hook};
use std::thread;
use std::time::{Duration, Instant};

mod shop {
    use super::{black_box, catch_unwind};

    /// A slice is some 100 µs, so that frames are made and left often.
    const SLICE_ROUNDS: u64 = 100_000;
    const PANICS: u64 = 5;

    #[inline(never)]
    fn tax(value: u64) -> u64 {
        let mut sum = value;
        for i in 0..SLICE_ROUNDS {
            sum = black_box(sum.wrapping_mul(31).wrapping_add(i));
        }
        sum
    }

    // black_box around a call's result keeps the call from becoming a jump.
    #[inline(never)]
    fn price(value: u64) -> u64 {
        black_box(tax(value)).wrapping_add(1)
    }

    #[inline(never)]
    fn refuse(depth: u64) -> u64 {
        let receipt = depth.to_string();
        if depth == 0 {
            panic!("refused");
        }
        black_box(refuse(depth - 1)) + receipt.len() as u64
    }

    pub trait Handler {
        fn handle(&self, value: u64) -> u64;
    }

    pub struct Express;

    impl Handler for Express {
        #[inline(never)]
        fn handle(&self, value: u64) -> u64 {
            let mut sum = black_box(price(value)).wrapping_add(1);
            for _ in 0..PANICS {
                sum += catch_unwind(|| refuse(10)).unwrap_or(1);
            }
            sum
        }
    }

    #[inline(never)]
    pub fn serve(handlers: &[Box<dyn Handler>]) -> u64 {
        handlers.iter().fold(0, |sum: u64, handler| sum.wrapping_add(handler.handle(sum)))
    }
}

#[inline(never)]
fn busy_until(end: Instant) {
    let handlers: Vec<Box<dyn shop::Handler>> = vec![Box::new(shop::Express), Box::new(shop::Express)];
    while Instant::now() < end {
        black_box(shop::serve(black_box(&handlers)));
    }
}

fn main() {
    set_hook(Box::new(|_| {}));
    let arguments: Vec<String> = std::env::args().collect();
    let seconds = arguments.get(2).and_then(|text| text.parse().ok()).unwrap_or(60);
    let end = Instant::now() + Duration::from_secs(seconds);
    if arguments.get(1).is_some_and(|way| way == "thread") {
        thread::spawn(move || busy_until(end)).join().unwrap();
    } else {
        busy_until(end);
    }
}
