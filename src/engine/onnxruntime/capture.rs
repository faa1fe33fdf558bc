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

/// Where a session computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Site {
    /// On the CPU.
    Host,
    /// On a device, node by node.
    Device,
    /// There, replaying steps that were captured.
    Captured,
}

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
pub(super) fn shared(site: Site) -> Permit {
    match site {
        Site::Host => Permit::Host,
        Site::Device | Site::Captured => Permit::Shared { _held: DEVICES.read().unwrap_or_else(PoisonError::into_inner) },
    }
}

/// Waits until nobody works on a device.
fn alone() -> Permit {
    Permit::Alone { _held: DEVICES.write().unwrap_or_else(PoisonError::into_inner) }
}

/// Something with memory on a device, which is not given back while another thread captures.
pub(super) struct Held<T> {
    value: ManuallyDrop<T>,
    site: Site,
}

impl<T> Held<T> {
    pub(super) fn new(value: T, site: Site) -> Self {
        Held { value: ManuallyDrop::new(value), site }
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
        let _permit = shared(self.site);
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
        if self.turns[turn].thread == Some(std::thread::current().id()) { shared(Site::Captured) } else { alone() }
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
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc::channel;
    use std::time::Duration;

    /// Counts how often it is dropped.
    struct Counted<'a>(&'a AtomicU32);

    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Whether `work` waits for what `permit` holds and goes on when it is dropped.
    fn waits(permit: Permit, work: impl FnOnce() + Send) -> bool {
        std::thread::scope(|scope| {
            let (sender, done) = channel();
            scope.spawn(move || {
                work();
                sender.send(()).unwrap();
            });
            let waited = done.recv_timeout(Duration::from_millis(100)).is_err();
            drop(permit);
            if waited {
                done.recv_timeout(Duration::from_secs(60)).expect("it goes on");
            }
            waited
        })
    }

    #[test]
    fn who_captures_waits_for_all_others_and_they_for_him() {
        for site in [Site::Device, Site::Captured] {
            assert!(waits(shared(site), || drop(alone())));
            assert!(waits(alone(), || drop(shared(site))));
        }
        assert!(!waits(alone(), || drop(shared(Site::Host))), "the host is not concerned");
    }

    #[test]
    fn memory_of_a_device_is_given_back_once_and_not_while_another_captures() {
        for (site, waited) in [(Site::Host, false), (Site::Device, true), (Site::Captured, true)] {
            let dropped = AtomicU32::new(0);
            let held = Held::new(Counted(&dropped), site);
            assert_eq!(waits(alone(), || drop(held)), waited, "{site:?}");
            assert_eq!(dropped.into_inner(), 1);
        }
    }
}
