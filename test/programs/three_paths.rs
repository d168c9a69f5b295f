//! Spends 60, 25 and 15 % of a given CPU time in three known call paths, several frames deep, and
//! prints what it truly spent in each. The Rust twin of three_paths.cpp, which says why it works
//! in blocks.
//!
//!   three_paths CPU_SECONDS
//!
//!   shop::serve → shop::Parser::parse → shop::Parser::read_body → shop::checksum    60 %
//!   shop::serve → shop::render → shop::draw_rows → shop::blend                      25 %
//!   shop::serve → shop::audit → shop::format_line → shop::digits                    15 %

use std::hint::black_box;

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanos: i64,
}

extern "C" {
    fn clock_gettime(clock: i32, now: *mut Timespec) -> i32;
}

const CLOCK_THREAD_CPUTIME_ID: i32 = 3;

fn thread_cpu_ns() -> u64 {
    let mut now = Timespec { seconds: 0, nanos: 0 };
    unsafe { clock_gettime(CLOCK_THREAD_CPUTIME_ID, &mut now) };
    now.seconds as u64 * 1_000_000_000 + now.nanos as u64
}

mod shop {
    use super::{black_box, thread_cpu_ns};

    /// Each leaf works in slices of some 100 µs until the thread has used up its CPU time.
    const SLICE_ROUNDS: u64 = 50_000;

    #[inline(never)]
    fn checksum(until_ns: u64) -> u64 {
        let mut sum: u64 = 1;
        while thread_cpu_ns() < until_ns {
            for i in 0..SLICE_ROUNDS {
                sum = black_box(sum.wrapping_mul(31).wrapping_add(i));
            }
        }
        sum
    }

    #[inline(never)]
    fn blend(until_ns: u64) -> u64 {
        let mut pixel: u64 = 7;
        while thread_cpu_ns() < until_ns {
            for i in 0..SLICE_ROUNDS {
                pixel = black_box((pixel ^ i).wrapping_mul(2_654_435_761));
            }
        }
        pixel
    }

    #[inline(never)]
    fn digits(until_ns: u64) -> u64 {
        let mut value: u64 = 1_234_567;
        while thread_cpu_ns() < until_ns {
            for _ in 0..SLICE_ROUNDS {
                value = black_box(value.wrapping_mul(10).wrapping_add(value >> 60));
            }
        }
        value
    }

    pub struct Parser;

    // black_box around a call's result keeps the call from becoming a jump.
    impl Parser {
        #[inline(never)]
        pub fn parse(&self, until_ns: u64) -> u64 {
            black_box(self.read_body(until_ns)) + 1
        }

        #[inline(never)]
        fn read_body(&self, until_ns: u64) -> u64 {
            black_box(checksum(until_ns)).wrapping_add(1) >> 1
        }
    }

    #[inline(never)]
    fn draw_rows<Row: From<u32>>(until_ns: u64) -> Row {
        Row::from(black_box(blend(until_ns)) as u32)
    }

    #[inline(never)]
    fn render(until_ns: u64) -> u64 {
        black_box(draw_rows::<u64>(until_ns)) + 1
    }

    #[inline(never)]
    fn format_line(until_ns: u64) -> u64 {
        black_box(digits(until_ns)).wrapping_add(1) >> 1
    }

    #[inline(never)]
    fn audit(until_ns: u64) -> u64 {
        black_box(format_line(until_ns)) + 1
    }

    #[derive(Default)]
    pub struct Spent {
        pub parse_ns: u64,
        pub render_ns: u64,
        pub audit_ns: u64,
    }

    #[inline(never)]
    pub fn serve(round_ns: u64, spent: &mut Spent) {
        let start = thread_cpu_ns();
        black_box(Parser.parse(start + round_ns * 60 / 100));
        let parsed = thread_cpu_ns();
        black_box(render(parsed + round_ns * 25 / 100));
        let rendered = thread_cpu_ns();
        black_box(audit(rendered + round_ns * 15 / 100));
        let audited = thread_cpu_ns();
        spent.parse_ns += parsed - start;
        spent.render_ns += rendered - parsed;
        spent.audit_ns += audited - rendered;
    }
}

fn main() {
    let seconds: f64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1.0);
    let end_ns = (seconds * 1e9) as u64;
    let mut spent = shop::Spent::default();
    let mut now = thread_cpu_ns();
    let mut round = 0;
    while now < end_ns {
        let round_ns = 170_000_000 + round * 37 % 100 * 1_000_000;
        shop::serve(round_ns.min(end_ns - now), &mut spent);
        now = thread_cpu_ns();
        round += 1;
    }
    let total = (spent.parse_ns + spent.render_ns + spent.audit_ns) as f64;
    println!(
        "{{\"pid\":{},\"cpuNanos\":{},\"parse\":{:.5},\"render\":{:.5},\"audit\":{:.5}}}",
        std::process::id(),
        thread_cpu_ns(),
        spent.parse_ns as f64 / total,
        spent.render_ns as f64 / total,
        spent.audit_ns as f64 / total
    );
}
