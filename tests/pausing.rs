//! Trainings that are paused at rungs and go on: as if they had never stopped.

mod library;
mod trainings;

use evolve::express::domain;
use evolve::genome::{Genome, SearchSpace};
use evolve::graph::Target;
use evolve::study::Store;
use evolve::train::{Checkpoint, Request, Rung, Setting, TrainError, Trained, train, train_population};
use library::engine;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::sync::atomic::AtomicBool;
use trainings::{ROWS, data, setting};

const SHARES: [f64; 3] = [0.125, 0.25, 0.5];

/// Rungs of which those from number `first` on pause everything.
fn rungs(first: usize) -> Vec<Rung> {
    let least = |index: usize| (index >= first).then_some(f64::MAX);
    SHARES.iter().enumerate().map(|(index, &share)| Rung { share, least: least(index) }).collect()
}

/// A training that is paused at every rung, and whose checkpoints go through a store.
fn in_parts(setting: &Setting<'_>, genome: &Genome, examples: u64) -> Result<(Trained, u64, usize), TrainError> {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).expect("a store");
    let (mut checkpoint, mut consumed, mut pauses): (Option<Checkpoint>, u64, usize) = (None, 0, 0);
    loop {
        // Those that it has passed do not count any more.
        let trained = train(setting, Request { rungs: rungs(0), checkpoint, ..Request::new(genome, 3, examples) })?;
        consumed += trained.costs.examples;
        let Some(paused) = &trained.paused else { return Ok((trained, consumed, pauses)) };
        pauses += 1;
        let hash = store.put_checkpoint(paused).expect("a hash");
        let loaded = store.get_checkpoint(&hash).expect("a checkpoint");
        assert!(loaded == *paused, "the store changed it");
        checkpoint = Some(loaded);
    }
}

#[test]
fn paused_and_continued_is_never_paused_bit_for_bit() {
    let (engine, stop) = (engine(), AtomicBool::new(false));
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let sets = [("credit_g.csv", Some("class")), ("concrete.csv", Some("compressive_strength")), ("digits.npz", None)];
    for (file, target) in sets {
        let dataset = data(file, target);
        let space = SearchSpace::preset(&domain(&dataset.task, ROWS));
        let births: Vec<Genome> = (0..12).map(|_| space.birth(&mut rng)).collect();
        let mut compared = 0;
        for (index, genome) in space.seeds().into_iter().take(2).chain(births).enumerate() {
            let target = if index % 4 == 0 { Target::Portable } else { Target::CpuKernels };
            let setting = setting(&dataset, engine.as_ref(), target, &stop);
            // The steps are no multiple of anything.
            let examples = 21 * genome.training.batch.min(ROWS) as u64;
            let whole = train(&setting, Request { rungs: rungs(SHARES.len()), ..Request::new(&genome, 3, examples) });
            let (Ok(whole), Ok((parts, consumed, pauses))) = (whole, in_parts(&setting, &genome, examples)) else {
                continue;
            };
            assert!(whole.weights == parts.weights, "weights differ: {}", genome.json());
            assert_eq!((whole.score, &whole.scores, &whole.curve), (parts.score, &parts.scores, &parts.curve));
            assert_eq!((&whole.rungs, whole.costs.examples), (&parts.rungs, consumed));
            assert_eq!(pauses, SHARES.len(), "{}", genome.json());
            compared += 1;
        }
        assert!(compared >= 8, "{file}: {compared} of 14 did not diverge");
    }
}

#[test]
fn a_member_that_is_paused_leaves_the_others_as_they_are() {
    let (engine, stop) = (engine(), AtomicBool::new(false));
    let dataset = data("concrete.csv", Some("compressive_strength"));
    let setting = setting(&dataset, engine.as_ref(), Target::CpuKernels, &stop);
    let genome = SearchSpace::preset(&domain(&dataset.task, ROWS)).seeds().swap_remove(0);
    let request = |seed: u64| Request { rungs: rungs(if seed == 1 { 1 } else { 3 }), ..Request::new(&genome, seed, 1600) };
    let together = train_population(&setting, (0..3).map(request).collect()).expect("a training of all");
    for (seed, together) in (0..).zip(together) {
        let (alone, together) = (train(&setting, request(seed)).expect("a score"), together.expect("a score"));
        assert_eq!(together.paused.is_some(), seed == 1);
        assert!(alone.weights == together.weights && alone.paused == together.paused && alone.rungs == together.rungs);
        assert_eq!((alone.score, alone.costs, alone.curve), (together.score, together.costs, together.curve));
    }
}

#[test]
fn a_training_is_paused_where_it_is_behind_and_nowhere_else() {
    let (engine, stop) = (engine(), AtomicBool::new(false));
    let dataset = data("credit_g.csv", Some("class"));
    let setting = setting(&dataset, engine.as_ref(), Target::CpuKernels, &stop);
    let genome = SearchSpace::preset(&domain(&dataset.task, ROWS)).seeds().swap_remove(0);
    let run = |rungs| train(&setting, Request { rungs, ..Request::new(&genome, 3, 3200) }).expect("a score");
    let whole = run(rungs(SHARES.len()));
    assert_eq!(whole.rungs.iter().map(|rung| rung.share).collect::<Vec<_>>(), SHARES);
    let second = whole.rungs[1].score;
    for (least, is_paused) in [(second, false), (second + 1e-9, true)] {
        let wanted = [None, Some(least), None];
        let wanted = SHARES.iter().zip(wanted).map(|(&share, least)| Rung { share, least }).collect();
        let trained = run(wanted);
        assert_eq!(trained.paused.is_some(), is_paused, "{least} beside {second}");
        assert_eq!(trained.rungs.len(), if is_paused { 2 } else { 3 });
    }
}

#[test]
fn a_checkpoint_of_another_net_is_refused() {
    let (engine, stop) = (engine(), AtomicBool::new(false));
    let dataset = data("concrete.csv", Some("compressive_strength"));
    let setting = setting(&dataset, engine.as_ref(), Target::Portable, &stop);
    let seeds = SearchSpace::preset(&domain(&dataset.task, ROWS)).seeds();
    let paused = train(&setting, Request { rungs: rungs(0), ..Request::new(&seeds[0], 3, 1600) }).expect("a checkpoint");
    let other = seeds[1..].iter().find(|seed| !seed.is_alike(&seeds[0])).expect("another shape");
    let request = |genome| Request { checkpoint: paused.paused.clone(), ..Request::new(genome, 3, 1600) };
    assert!(matches!(train(&setting, request(other)), Err(TrainError::Checkpoint { .. })));
    let mixed = train_population(&setting, vec![request(&seeds[0]), Request::new(&seeds[0], 4, 1600)]);
    assert!(matches!(mixed, Err(TrainError::Places)));
}
