//! Trainings share the memory that is allowed: one that does not fit beside the others waits for them.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes that the trainings under way take together, at most a limit. A clone has the same bytes to share.
#[derive(Debug, Clone)]
pub struct Memory {
    limit: u64,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes that are taken, and by how many.
    taken: u64,
    holders: usize,
    /// Numbers that were given out, and that whose turn it is: who needs much is not passed by who needs little.
    numbers: u64,
    turn: u64,
}

impl Memory {
    /// At most `limit` bytes.
    pub fn new(limit: u64) -> Self {
        Memory { limit, shared: Arc::default() }
    }

    /// The most that one training may take. It does not depend on how many there are, so that their number changes no
    /// outcome.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Takes `bytes`, at most the limit, as soon as they are free, until the result is dropped.
    pub fn take(&self, bytes: u64) -> Taken<'_> {
        let bytes = bytes.min(self.limit);
        let mut state = self.lock();
        let number = state.numbers;
        state.numbers += 1;
        while state.turn != number || state.taken + bytes > self.limit {
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let began_alone = state.holders == 0;
        state.turn += 1;
        state.holders += 1;
        state.taken += bytes;
        self.shared.changed.notify_all();
        Taken { memory: self, bytes, number, began_alone }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes in use; dropping it frees them.
#[derive(Debug)]
pub struct Taken<'a> {
    memory: &'a Memory,
    bytes: u64,
    number: u64,
    began_alone: bool,
}

impl Taken<'_> {
    /// Whether nobody else has had any memory since these bytes were taken.
    pub fn was_alone(&self) -> bool {
        self.began_alone && self.memory.lock().turn == self.number + 1
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut state = self.memory.lock();
        state.taken -= self.bytes;
        state.holders -= 1;
        self.memory.shared.changed.notify_all();
    }
}

/// Gives back to the system what the allocator keeps free: the next net has tensors of other sizes, and over thousands of
/// trainings what fits none of them would add up.
pub fn release_unused() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the call touches nothing but the allocator's own free memory.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn trainings_never_take_more_than_the_limit_and_all_get_their_turn() {
        let memory = Memory::new(100);
        let (now, most, done) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for bytes in [60, 50, 40, 30, 1000, 100, 7, 0] {
                let (memory, now, most, done) = (&memory, &now, &most, &done);
                scope.spawn(move || {
                    for _ in 0..50 {
                        let taken = memory.take(bytes);
                        let bytes = bytes.min(100);
                        most.fetch_max(now.fetch_add(bytes, Ordering::SeqCst) + bytes, Ordering::SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(bytes, Ordering::SeqCst);
                        drop(taken);
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(done.into_inner(), 8 * 50);
        assert!(most.into_inner() <= 100);
    }

    #[test]
    fn who_was_alone_knows_it_and_nobody_is_passed() {
        let memory = Memory::new(100);
        let first = memory.take(30);
        assert!(first.was_alone());
        let second = memory.take(30);
        assert!(!first.was_alone() && !second.was_alone());
        let order = Mutex::new(vec![]);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let all = memory.take(100);
                order.lock().unwrap().push("all");
                assert!(all.was_alone());
            });
            while memory.lock().numbers < 3 {
                std::thread::yield_now();
            }
            scope.spawn(|| {
                let _little = memory.take(1);
                order.lock().unwrap().push("little");
            });
            while memory.lock().numbers < 4 {
                std::thread::yield_now();
            }
            drop((first, second));
        });
        assert_eq!(order.into_inner().unwrap(), ["all", "little"]);
    }
}
