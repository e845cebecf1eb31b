// SPDX-License-Identifier: MIT
// Waits of known length in Rust's standard library: each in a function called wait_<case>, let go by
// another thread. Prints what each waited by its own clock. Run by e2e/block_languages.py, which
// builds it with rustc.
use std::sync::mpsc::{channel, Receiver};
use std::sync::{Arc, Condvar, Mutex, RwLock};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

#[inline(never)]
#[no_mangle]
fn wait_mutex(m: &Mutex<i32>) -> i32 {
    *m.lock().unwrap() + 1
}
#[inline(never)]
#[no_mangle]
fn wait_read(l: &RwLock<i32>) -> i32 {
    *l.read().unwrap() + 1
}
#[inline(never)]
#[no_mangle]
fn wait_write(l: &RwLock<i32>) -> i32 {
    *l.write().unwrap() += 1;
    0
}
#[inline(never)]
#[no_mangle]
fn wait_condvar(pair: &(Mutex<bool>, Condvar)) -> i32 {
    let mut done = pair.0.lock().unwrap();
    while !*done {
        done = pair.1.wait(done).unwrap();
    }
    0
}
#[inline(never)]
#[no_mangle]
fn wait_channel(r: &Receiver<i32>) -> i32 {
    r.recv().unwrap() + 1
}
#[inline(never)]
#[no_mangle]
fn wait_join(t: std::thread::JoinHandle<()>) -> i32 {
    t.join().unwrap();
    0
}

fn timed(name: &'static str, wait: impl FnOnce() -> i32 + Send + 'static) -> std::thread::JoinHandle<String> {
    spawn(move || {
        sleep(Duration::from_millis(50));
        let began = Instant::now();
        std::hint::black_box(wait());
        format!("\"{}\": {{\"waited\": {}, \"disturbed\": 0}}", name, began.elapsed().as_nanos())
    })
}

fn main() {
    let ms = Duration::from_millis;
    let mutex = Arc::new(Mutex::new(0));
    let (reads, writes) = (Arc::new(RwLock::new(0)), Arc::new(RwLock::new(0)));
    let pair = Arc::new((Mutex::new(false), Condvar::new()));
    let (sender, receiver) = channel();
    let held = mutex.lock().unwrap();
    let writing = reads.write().unwrap();
    let reading = writes.read().unwrap();
    let slow = spawn(move || sleep(ms(350)));
    let (m, r, w, p) = (mutex.clone(), reads.clone(), writes.clone(), pair.clone());
    let waits = vec![
        timed("mutex", move || wait_mutex(&m)),
        timed("read", move || wait_read(&r)),
        timed("write", move || wait_write(&w)),
        timed("condvar", move || wait_condvar(&p)),
        timed("channel", move || wait_channel(&receiver)),
        timed("join", move || wait_join(slow)),
    ];
    sleep(ms(350));
    drop(held);
    sleep(ms(50));
    drop(writing);
    sleep(ms(50));
    drop(reading);
    sleep(ms(50));
    *pair.0.lock().unwrap() = true;
    pair.1.notify_all();
    sleep(ms(50));
    sender.send(1).unwrap();
    let lines: Vec<String> = waits.into_iter().map(|t| t.join().unwrap()).collect();
    println!("{{{}}}", lines.join(", "));
}
