// The Rust program of the consensus: generics, closures, traits, iterators, panics that are caught.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

mod stock {
    use std::collections::HashMap;

    #[derive(Debug, Clone, PartialEq)]
    pub struct Item {
        pub name: String,
        pub price: u32,
        pub amount: u16,
    }

    #[derive(Debug)]
    pub enum Refusal {
        Unknown(String),
        TooFew { wanted: u16, there: u16 },
    }

    pub trait Rule {
        fn price(&self, item: &Item) -> u64;
        fn name(&self) -> &str {
            "plain"
        }
    }

    pub struct Plain;
    pub struct Rebate<F: Fn(u64) -> u64>(pub F);

    impl Rule for Plain {
        fn price(&self, item: &Item) -> u64 {
            u64::from(item.price) * u64::from(item.amount)
        }
    }

    impl<F: Fn(u64) -> u64> Rule for Rebate<F> {
        #[inline(never)]
        fn price(&self, item: &Item) -> u64 {
            (self.0)(Plain.price(item))
        }
        fn name(&self) -> &str {
            "rebate"
        }
    }

    #[derive(Default)]
    pub struct Store {
        items: HashMap<String, Item>,
    }

    impl Store {
        pub fn add(&mut self, item: Item) {
            self.items
                .entry(item.name.clone())
                .and_modify(|there| there.amount = there.amount.saturating_add(item.amount))
                .or_insert(item);
        }

        #[inline(never)]
        pub fn take(&mut self, name: &str, wanted: u16) -> Result<Item, Refusal> {
            let item = self
                .items
                .get_mut(name)
                .ok_or_else(|| Refusal::Unknown(name.to_owned()))?;
            if item.amount < wanted {
                return Err(Refusal::TooFew { wanted, there: item.amount });
            }
            item.amount -= wanted;
            Ok(Item { amount: wanted, ..item.clone() })
        }
    }
}

use stock::{Item, Plain, Rebate, Refusal, Rule, Store};

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Unknown(name) => write!(out, "no {name}"),
            Refusal::TooFew { wanted, there } => write!(out, "{wanted} of {there}"),
        }
    }
}

fn sum_with<T, I>(items: I, rule: &dyn Rule, keep: impl Fn(&T) -> bool) -> u64
where
    T: AsRef<Item>,
    I: IntoIterator<Item = T>,
{
    items.into_iter().filter(|item| keep(item)).map(|item| rule.price(item.as_ref())).sum()
}

impl AsRef<Item> for Item {
    fn as_ref(&self) -> &Item {
        self
    }
}

#[inline(never)]
fn ranks(words: &[String]) -> Vec<(usize, &str)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for word in words {
        *counts.entry(word.as_str()).or_default() += 1;
    }
    let mut ranked: Vec<_> = counts.into_iter().map(|(word, count)| (count, word)).collect();
    ranked.sort_by(|a, b| b.cmp(a));
    ranked
}

#[inline(never)]
fn risky(round: u32) -> u64 {
    let caught = std::panic::catch_unwind(|| {
        if round % 3 == 2 {
            panic!("round {round}");
        }
        let cells: Vec<u32> = (0..round + 4).collect();
        u64::from(cells[round as usize + 3])
    });
    caught.unwrap_or(7)
}

fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    let rounds: u32 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(3);
    let mut store = Store::default();
    let mut words = Vec::new();
    let mut sum = 0u64;
    for round in 0..rounds {
        for at in 0..100u32 {
            let name = format!("item {}", at * 7919 % 61);
            words.push(name.clone());
            store.add(Item { name, price: at * 31 % 997, amount: (at % 50) as u16 });
        }
        let by = u64::from(round) + 2;
        let rules: [Box<dyn Rule>; 2] = [Box::new(Plain), Box::new(Rebate(move |x| x - x / by))];
        for rule in &rules {
            let taken: Vec<Item> = (0..80u16)
                .filter_map(|at| match store.take(&format!("item {at}"), at) {
                    Ok(item) => Some(item),
                    Err(refusal) => {
                        sum += refusal.to_string().len() as u64;
                        None
                    }
                })
                .collect();
            sum += sum_with(taken, rule.as_ref(), |item| item.amount % 2 == 0);
            sum += rule.name().len() as u64;
        }
        sum += risky(round);
    }
    let lengths: HashMap<usize, u32> = words.iter().fold(HashMap::new(), |mut lengths, word| {
        *lengths.entry(word.len()).or_insert(0) += 1;
        lengths
    });
    sum += ranks(&words).iter().map(|(count, word)| count * word.len()).sum::<usize>() as u64;
    println!("{sum} {}", lengths.len());
}
