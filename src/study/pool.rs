//! Evaluating on the threads of this process.

use super::evaluator::{Done, Evaluator, Job};
use super::memory::release_unused;
use super::workshop::{Ended, Workshop, evaluate, message};
use super::{StudyError, Timing};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Members of one graph at most: more gain little.
const MOST_MEMBERS: usize = 16;

#[derive(Default)]
struct Queue {
    /// What waits, each with whether it had better train as one graph with others.
    jobs: VecDeque<(Job, bool)>,
    closed: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a job and takes it, with those behind it that are better trained as one graph with it: at most this
    /// worker's share of what waits. Empty where no more will come.
    fn take(&self, workers: usize) -> Vec<Job> {
        let mut queue = self.lock();
        loop {
            let share = queue.jobs.len().div_ceil(workers).min(MOST_MEMBERS);
            if let Some((first, joins)) = queue.jobs.pop_front() {
                let share = if joins { share } else { 1 };
                let mut taken = vec![first];
                let mut at = 0;
                while taken.len() < share && at < queue.jobs.len() {
                    match taken[0].trains_with(&queue.jobs[at].0) {
                        true => taken.extend(queue.jobs.remove(at).map(|(job, _)| job)),
                        false => at += 1,
                    }
                }
                return taken;
            }
            if queue.closed {
                return vec![];
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Threads of this process, each with one training, or one of several nets of one shape.
pub struct LocalPool<'s> {
    shared: &'s Shared,
    workshop: &'s Workshop<'s>,
    results: Receiver<Result<Done, StudyError>>,
    under_way: usize,
}

impl LocalPool<'_> {
    /// Runs `body` with a pool of `workers` threads, which end with it.
    pub fn scoped<T>(workers: usize, workshop: &Workshop<'_>, body: impl FnOnce(&mut LocalPool<'_>) -> T) -> T {
        let shared = Shared { queue: Mutex::default(), changed: Condvar::new() };
        std::thread::scope(|scope| {
            let (sender, results) = channel();
            for _ in 0..workers.max(1) {
                let (sender, shared) = (sender.clone(), &shared);
                scope.spawn(move || answered(&sender, || work(shared, workshop, workers.max(1), &sender)));
            }
            // Once all threads are gone there is nothing to wait for.
            drop(sender);
            body(&mut LocalPool { shared: &shared, workshop, results, under_way: 0 })
        })
    }
}

impl Drop for LocalPool<'_> {
    /// Lets the threads end, also where `body` panics: the scope waits for them.
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Evaluator for LocalPool<'_> {
    fn submit(&mut self, job: Job) {
        self.under_way += 1;
        let joins = self.workshop.joins(&job);
        self.shared.lock().jobs.push_back((job, joins));
        self.shared.changed.notify_one();
    }

    fn next(&mut self) -> Result<Option<Done>, StudyError> {
        if self.under_way == 0 {
            return Ok(None);
        }
        self.under_way -= 1;
        // A worker answers every job that it takes, whatever becomes of it.
        match self.results.recv() {
            Ok(done) => done.map(Some),
            Err(_) => Err(StudyError::Worker { reason: "all of them are gone".to_owned() }),
        }
    }

    fn withdraw(&mut self) -> usize {
        let mut queue = self.shared.lock();
        let count = queue.jobs.len();
        queue.jobs.clear();
        self.under_way -= count;
        count
    }
}

/// Does the work of a thread and, where it breaks down, says so to whoever waits for its answers.
fn answered(results: &Sender<Result<Done, StudyError>>, work: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
        // Nobody may be left to be told.
        let _ = results.send(Err(StudyError::Worker { reason: message(panic.as_ref()) }));
    }
}

fn work(shared: &Shared, workshop: &Workshop<'_>, workers: usize, results: &Sender<Result<Done, StudyError>>) {
    loop {
        let jobs = shared.take(workers);
        if jobs.is_empty() {
            return;
        }
        let started = workshop.clock.now();
        let ended = evaluate(workshop, &jobs);
        let timing = Timing { started, seconds: workshop.clock.now() - started, members: jobs.len() as u64, batch: None };
        release_unused();
        // Every job has an answer of its own, so that nobody waits for one that does not come.
        let (ended, mut failure) = match ended {
            Ok(ended) => (ended, None),
            Err(e) => (vec![Ended::default(); jobs.len()], Some(e)),
        };
        for (job, Ended { outcome, batch }) in jobs.into_iter().zip(ended) {
            let done = Done { job, outcome, timing: Timing { batch, ..timing.clone() } };
            if results.send(failure.take().map_or(Ok(done), Err)).is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_for_a_thread_that_breaks_down_is_told() {
        let (sender, results) = channel();
        answered(&sender, || panic!("out of order"));
        answered(&sender, || {});
        drop(sender);
        assert!(matches!(results.recv(), Ok(Err(StudyError::Worker { reason })) if reason == "out of order"));
        assert!(results.recv().is_err());
    }
}
