// SPDX-License-Identifier: MIT
//! A Rust program for test/unwind/truth_walks.py: trait objects, closures, sorting, hash maps, formatting,
//! panics caught far from where they began, a thread. Prints a checksum.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasherDefault;
use std::panic;

type Hasher = BuildHasherDefault<std::collections::hash_map::DefaultHasher>;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

trait Node {
    fn value(&self) -> u64;
}
struct Leaf(u64);
struct Sum(Box<dyn Node>, Box<dyn Node>);
struct Guarded(Box<dyn Node>, u64);

impl Node for Leaf {
    fn value(&self) -> u64 {
        self.0
    }
}
impl Node for Sum {
    fn value(&self) -> u64 {
        self.0.value().wrapping_add(self.1.value())
    }
}
impl Node for Guarded {
    fn value(&self) -> u64 {
        let v = self.0.value();
        assert!(v <= self.1, "{v} above {}", self.1);
        v
    }
}

fn grow(random: &mut Random, depth: u32) -> Box<dyn Node> {
    if depth == 0 {
        return Box::new(Leaf(random.next() % 100));
    }
    if random.next() % 8 == 0 {
        let limit = (random.next() % 400) << (depth / 2);
        return Box::new(Guarded(grow(random, depth - 1), limit));
    }
    Box::new(Sum(grow(random, depth - 1), grow(random, depth - 1)))
}

fn trees(random: &mut Random) -> u64 {
    let mut sum = 0u64;
    for _ in 0..10 {
        let tree = grow(random, 9);
        let found = panic::catch_unwind(panic::AssertUnwindSafe(|| tree.value()));
        sum = sum.wrapping_add(found.unwrap_or(7));
    }
    sum
}

fn sorting(random: &mut Random) -> u64 {
    let mut v: Vec<u64> = (0..4000).map(|_| random.next()).collect();
    let by: &dyn Fn(&u64, &u64) -> std::cmp::Ordering = &|a, b| (a >> 20).cmp(&(b >> 20));
    v.sort_by(by);
    let mut words: Vec<String> = v.iter().take(600).map(|x| format!("{:>9x}", x % 100_003)).collect();
    words.sort();
    v.sort_unstable_by_key(|x| x & 0xffff);
    (v[7] & 0xffff) + words[200].trim().len() as u64
}

fn maps(random: &mut Random) -> u64 {
    let mut h: HashMap<String, u64, Hasher> = HashMap::default();
    let mut b: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for i in 0..600 {
        *h.entry(format!("key {} {:.2}", random.next() % 200, (i as f64) / 8.0)).or_insert(0) += i;
        b.entry(random.next() % 300).or_default().push(i);
    }
    h.values().sum::<u64>() + b.values().map(|v| v.iter().sum::<u64>() % 97).sum::<u64>()
}

fn work(seed: u64, rounds: u64) -> u64 {
    let mut random = Random(seed);
    let mut sum = 0u64;
    for _ in 0..rounds {
        let parts: [fn(&mut Random) -> u64; 3] = [trees, sorting, maps];
        for part in parts {
            sum = sum.wrapping_add(part(&mut random));
        }
    }
    sum
}

fn main() {
    panic::set_hook(Box::new(|_| {}));
    let rounds = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(100);
    let other = std::thread::spawn(move || work(3, rounds / 4));
    let sum = work(2, rounds);
    println!("{}", sum.wrapping_add(other.join().unwrap()));
}
