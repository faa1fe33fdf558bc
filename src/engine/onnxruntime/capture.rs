//! CUDA graphs: a step that was captured once is replayed with a single launch.
//!
//! ONNX Runtime captures a run under the number that its options name, after it has run it twice, and from then on replays
//! it for the thread that captured it. While a stream is captured no other thread may allocate, free or wait on a device:
//! whoever works there holds [`shared`], and who captures holds [`alone`].

use ort::session::RunOptions;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::ThreadId;

static DEVICES: RwLock<()> = RwLock::new(());

/// The right to work on a device; it ends when this is dropped. A thread holds one at most.
pub(super) enum Permit {
    /// On the host nothing is in the way.
    Host,
    /// Beside others.
    Shared { _held: RwLockReadGuard<'static, ()> },
    /// Alone.
    Alone { _held: RwLockWriteGuard<'static, ()> },
}

/// Waits until nothing is captured.
pub(super) fn shared(on_host: bool) -> Permit {
    match on_host {
        true => Permit::Host,
        false => Permit::Shared { _held: DEVICES.read().unwrap_or_else(PoisonError::into_inner) },
    }
}

/// Waits until nobody works on a device.
fn alone() -> Permit {
    Permit::Alone { _held: DEVICES.write().unwrap_or_else(PoisonError::into_inner) }
}

/// Something with memory on a device, which is not given back while another thread captures.
pub(super) struct Held<T> {
    value: ManuallyDrop<T>,
    on_host: bool,
}

impl<T> Held<T> {
    pub(super) fn new(value: T, on_host: bool) -> Self {
        Held { value: ManuallyDrop::new(value), on_host }
    }
}

impl<T> Deref for Held<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Held<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        let _permit = shared(self.on_host);
        // SAFETY: the value is dropped here and nowhere else, and not used afterwards.
        unsafe { ManuallyDrop::drop(&mut self.value) };
    }
}

/// The graphs of a session, one for each of its bindings.
pub(super) struct Captures {
    turns: Vec<Capture>,
}

struct Capture {
    options: RunOptions,
    /// The thread that replays it.
    thread: Option<ThreadId>,
}

impl Captures {
    pub(super) fn new(turns: usize) -> ort::Result<Self> {
        let turn = |number: usize| {
            let mut options = RunOptions::new()?;
            options.set("gpu_graph_id", number.to_string())?;
            Ok(Capture { options, thread: None })
        };
        Ok(Captures { turns: (1..=turns).map(turn).collect::<ort::Result<_>>()? })
    }

    /// The right to run a binding: to capture it where this thread did not.
    pub(super) fn permit(&self, turn: usize) -> Permit {
        if self.turns[turn].thread == Some(std::thread::current().id()) { shared(false) } else { alone() }
    }

    pub(super) fn options(&self, turn: usize) -> &RunOptions {
        &self.turns[turn].options
    }

    /// Takes note that a binding was run by this thread.
    pub(super) fn ran(&mut self, turn: usize) {
        self.turns[turn].thread = Some(std::thread::current().id());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn who_captures_waits_for_all_others_and_they_for_him() {
        let (begun, released) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let permit = shared(false);
            let (begun, released) = (&begun, &released);
            let capturing = scope.spawn(move || {
                begun.store(true, Ordering::SeqCst);
                let _permit = alone();
                assert!(released.load(Ordering::SeqCst), "another works on the device");
            });
            while !begun.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            // The host is not concerned.
            drop(shared(true));
            released.store(true, Ordering::SeqCst);
            drop(permit);
            capturing.join().unwrap();
        });
    }

    #[test]
    fn what_is_held_is_dropped_once() {
        struct Counted<'a>(&'a AtomicBool);
        impl Drop for Counted<'_> {
            fn drop(&mut self) {
                assert!(!self.0.swap(true, Ordering::SeqCst), "dropped twice");
            }
        }
        for on_host in [true, false] {
            let dropped = AtomicBool::new(false);
            drop(Held::new(Counted(&dropped), on_host));
            assert!(dropped.load(Ordering::SeqCst));
        }
    }
}
