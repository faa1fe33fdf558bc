//! Nets that train as one graph become what they become alone.

mod library;
mod trainings;

use evolve::data::Dataset;
use evolve::express::domain;
use evolve::genome::{
    Augmentation, Genome, Net, Norm, NumericEncoding, Optimizer, Schedule, SearchSpace, TableBlock, TableMotif,
};
use evolve::graph::Target;
use evolve::study::{Clock, Evaluator, Job, LocalPool, Memory, Outcome, Store, Workshop};
use evolve::train::{self, Setting, Trained, train_population};
use library::engine;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::atomic::AtomicBool;
use trainings::{ROWS, data, setting};

/// The genome with other rates, as its twins in a search have.
fn twin(genome: &Genome, rng: &mut ChaCha8Rng) -> Genome {
    let mut twin = genome.clone();
    let rate = |rate: &mut f32, rng: &mut ChaCha8Rng| {
        if *rate > 0.0 {
            *rate = rng.random_range(0.05..0.5);
        }
    };
    match &mut twin.net {
        Net::Table(net) => net.blocks.iter_mut().for_each(|block| rate(&mut block.dropout, rng)),
        Net::Image(net) => rate(&mut net.head.dropout, rng),
        Net::Ancestor(net) => rate(&mut net.dropout, rng),
    }
    twin.training.learning_rate *= rng.random_range(0.3..1.0);
    twin.training.weight_decay = rng.random_range(0.0..0.1);
    twin.training.label_smoothing = rng.random_range(0.0..0.1);
    twin.training.schedule = *[Schedule::Constant, Schedule::Cosine, Schedule::OneCycle].choose(rng).expect("a schedule");
    if let Net::Image(_) | Net::Ancestor(_) = twin.net {
        twin.training.augmentation = Augmentation { flip: rng.random(), shift: rng.random_range(0..2), cutout: 2 };
    }
    assert!(genome.is_alike(&twin));
    twin
}

fn request(genome: &Genome, seed: u64, examples: u64) -> train::Request<'_> {
    train::Request::new(genome, seed, examples)
}

/// Each genome's training alone, and that of all as one graph.
fn both(setting: &Setting<'_>, genomes: &[Genome], examples: u64) -> Vec<(Trained, Trained)> {
    let requests = || genomes.iter().zip(0..).map(|(genome, seed)| request(genome, seed, examples));
    let together = train_population(setting, requests().collect()).expect("a training of all");
    let alone = requests().map(|request| train::train(setting, request));
    alone.zip(together).filter_map(|pair| matches_errors(pair.0, pair.1)).collect()
}

/// Both results; what diverges alone diverges together.
fn matches_errors<E: std::fmt::Display>(
    alone: Result<Trained, E>,
    together: Result<Trained, E>,
) -> Option<(Trained, Trained)> {
    match (alone, together) {
        (Ok(alone), Ok(together)) => Some((alone, together)),
        (Err(alone), Err(together)) => {
            assert_eq!(alone.to_string(), together.to_string());
            None
        }
        (alone, together) => panic!("alone {:?}, together {:?}", alone.is_ok(), together.is_ok()),
    }
}

/// A member whose rate of learning is constant stops when it gains no more; the others go on.
#[test]
fn a_member_may_end_before_the_others() {
    let (engine, stop) = (engine(), AtomicBool::new(false));
    let dataset = data("concrete.csv", Some("compressive_strength"));
    let setting = setting(&dataset, engine.as_ref(), Target::CpuKernels, &stop);
    let mut steady = SearchSpace::preset(&domain(&dataset.task, ROWS)).seeds().swap_remove(0);
    steady.training.schedule = Schedule::Cosine;
    let mut restless = steady.clone();
    (restless.training.schedule, restless.training.learning_rate) = (Schedule::Constant, 1e-12);
    let pairs = both(&setting, &[steady, restless], 16_000);
    let lengths: Vec<usize> = pairs.iter().map(|(alone, _)| alone.curve.len()).collect();
    assert!(lengths[1] < lengths[0], "{lengths:?}");
    for (alone, together) in pairs {
        assert!(alone.weights == together.weights && alone.curve == together.curve && alone.costs == together.costs);
    }
}

/// The datasets with how many random genomes each is tried with.
fn datasets() -> Vec<(Dataset, usize)> {
    vec![
        (data("credit_g.csv", Some("class")), 40),
        (data("concrete.csv", Some("compressive_strength")), 30),
        (data("digits.npz", None), 40),
    ]
}

#[test]
fn with_kernels_members_are_what_they_are_alone_bit_for_bit() {
    let (engine, stop) = (engine(), AtomicBool::new(false));
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    for (dataset, births) in datasets() {
        let (mut compared, mut trained) = (0, 0);
        let setting = setting(&dataset, engine.as_ref(), Target::CpuKernels, &stop);
        let space = SearchSpace::preset(&domain(&dataset.task, ROWS));
        let births: Vec<Genome> = (0..births).map(|_| space.birth(&mut rng)).collect();
        for genome in space.seeds().into_iter().chain(births) {
            let genomes = [genome.clone(), twin(&genome, &mut rng), twin(&genome, &mut rng)];
            trained += genomes.len();
            for (alone, together) in both(&setting, &genomes, 3 * genome.training.batch as u64) {
                compared += 1;
                assert!(alone.weights == together.weights, "weights differ: {}", genome.json());
                assert_eq!((alone.score, &alone.curve), (together.score, &together.curve), "{}", genome.json());
                assert_eq!(alone.costs, together.costs);
            }
        }
        assert!(2 * compared > trained, "{compared} of {trained} did not diverge");
    }
}

/// Products of one member and of several are rounded differently. Adam makes a step of full length even of a gradient that is
/// little but rounding, so that there a few weights may be further apart.
#[test]
fn with_standard_operators_fifty_steps_of_members_are_those_of_each_alone() {
    let (engine, stop) = (engine(), AtomicBool::new(false));
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    for (dataset, _) in datasets() {
        let mut compared = 0;
        let setting = setting(&dataset, engine.as_ref(), Target::Portable, &stop);
        let space = SearchSpace::preset(&domain(&dataset.task, ROWS));
        let adam = space.seeds().swap_remove(0);
        let mut plain = adam.clone();
        plain.training.optimizer = Optimizer::Sgd { momentum: 0.9 };
        for (mut genome, further) in [(adam, 1e-3), (plain, 0.0)] {
            genome.training.batch = 16;
            let genomes = [genome.clone(), twin(&genome, &mut rng), twin(&genome, &mut rng)];
            for (alone, together) in both(&setting, &genomes, 50 * 16) {
                compared += 1;
                for (name, tensor) in &alone.weights {
                    let values = |w: &train::Weights| w[name].as_f32().expect("floats").to_vec();
                    let (wanted, given) = (values(&alone.weights), values(&together.weights));
                    let largest = wanted.iter().fold(1.0_f32, |m, v| m.max(v.abs()));
                    let off: Vec<f32> = wanted.iter().zip(&given).map(|(a, b)| (a - b).abs() / largest).collect();
                    let (beyond, most) =
                        (off.iter().filter(|off| **off > 1e-4).count(), off.iter().copied().fold(0.0, f32::max));
                    let right = beyond as f64 <= further * off.len() as f64 && most < 1e-3;
                    assert!(right, "{beyond} of {name} {:?} are off by up to {most}: {}", tensor.shape, genome.json());
                }
            }
        }
        assert!(compared > 3, "{compared} trainings came to their ends");
    }
}

#[test]
fn a_member_that_diverges_takes_no_other_with_it() {
    let (engine, stop) = (engine(), AtomicBool::new(false));
    let dataset = data("concrete.csv", Some("compressive_strength"));
    let setting = setting(&dataset, engine.as_ref(), Target::CpuKernels, &stop);
    let calm = SearchSpace::preset(&domain(&dataset.task, ROWS)).seeds().swap_remove(0);
    let mut wild = calm.clone();
    wild.training.learning_rate = f32::MAX;
    let requests = vec![request(&calm, 0, 640), request(&wild, 1, 640), request(&calm, 2, 640)];
    let results = train_population(&setting, requests).expect("a training of all");
    let scores: Vec<Option<f64>> = results.iter().map(|r| r.as_ref().ok().map(|t| t.score)).collect();
    assert!(results[1].as_ref().is_err_and(|e| e.to_string().starts_with("diverged")), "{scores:?}");
    for (seed, score) in [(0, scores[0]), (2, scores[2])] {
        let alone = train::train(&setting, request(&calm, seed, 640)).expect("a training alone");
        assert_eq!(score, Some(alone.score));
    }
}

#[test]
fn nets_of_several_shapes_are_refused() {
    let (engine, stop) = (engine(), AtomicBool::new(false));
    let dataset = data("concrete.csv", Some("compressive_strength"));
    let setting = setting(&dataset, engine.as_ref(), Target::CpuKernels, &stop);
    let seeds = SearchSpace::preset(&domain(&dataset.task, ROWS)).seeds();
    let other = seeds[1..].iter().find(|seed| !seed.is_alike(&seeds[0])).expect("another shape");
    let result = train_population(&setting, vec![request(&seeds[0], 0, 64), request(other, 1, 64)]);
    assert!(result.is_err_and(|e| e.to_string().contains("several shapes")));
}

/// Whether genomes are alike is judged by their genes, whether they are one graph by that graph.
#[test]
fn alike_are_those_of_one_graph() {
    let (engine, stop) = (engine(), AtomicBool::new(false));
    let mut rng = ChaCha8Rng::seed_from_u64(10);
    for (dataset, _) in datasets() {
        let mut alike = 0;
        let setting = setting(&dataset, engine.as_ref(), Target::Portable, &stop);
        let space = SearchSpace::preset(&domain(&dataset.task, ROWS));
        for _ in 0..60 {
            let genome = space.birth(&mut rng);
            let shape = |genome: &Genome| train::shape(genome, &setting).expect("a valid genome");
            for mutation in evolve::genome::mutation::ALL {
                let Some(edit) = (mutation.apply)(&space, &genome, &mut rng) else { continue };
                let mutant = edit.genome;
                if genome.is_alike(&mutant) {
                    alike += 1;
                    assert!(shape(&genome) == shape(&mutant), "{}\n{}", genome.json(), mutant.json());
                }
            }
        }
        assert!(alike > 60, "{alike} mutants are alike");
    }
}

/// What becomes of jobs, by number, in a pool of one worker, and when each began.
fn evaluated(setting: &Setting<'_>, genomes: &[Genome], joined: bool) -> Vec<(Outcome, f64)> {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).expect("a store");
    let (setting, whole, last) = (*setting, *setting, false);
    let (folds, executions, memory, clock) = (vec![], 1, Memory::new(1 << 30), Clock::new(0.0));
    let workshop = Workshop { setting, folds, whole, last, executions, store: &store, gauge: None, memory, clock };
    let job = |number: usize| Job {
        number: number as u64,
        genome: genomes[number].clone(),
        seed: number as u64,
        examples: 6400,
        start: None,
        whole: false,
        deadline: None,
        rungs: vec![],
        checkpoint: None,
    };
    let mut done = LocalPool::scoped(1, &workshop, |pool| {
        let mut done = vec![];
        for number in 0..genomes.len() {
            pool.submit(job(number));
            if !joined {
                done.extend(pool.next().expect("an outcome"));
            }
        }
        done.extend(std::iter::from_fn(|| pool.next().expect("an outcome")));
        done
    });
    done.sort_by_key(|done| done.job.number);
    done.into_iter().map(|done| (done.outcome.expect("no stop"), done.timing.started)).collect()
}

#[test]
fn a_worker_joins_what_waits_and_nothing_comes_of_it_but_time() {
    let (engine, stop) = (engine(), AtomicBool::new(false));
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let dataset = data("iris.csv", Some("species"));
    let setting = setting(&dataset, engine.as_ref(), Target::CpuKernels, &stop);
    let mut small = SearchSpace::preset(&domain(&dataset.task, ROWS)).seeds().swap_remove(0);
    if let Net::Table(net) = &mut small.net {
        net.numeric = NumericEncoding::Plain;
        net.norm = Norm::None;
        net.blocks = vec![TableBlock { motif: TableMotif::Linear, width: 16, dropout: 0.1 }];
    }
    small.training.batch = 16;
    let mut other = small.clone();
    other.training.batch = 4;
    let twins = (0..5).map(|_| twin(&small, &mut rng));
    // While the first, of another shape, is trained, all others come to wait.
    let genomes: Vec<Genome> = [other, small.clone()].into_iter().chain(twins).collect();
    let (alone, joined) = (evaluated(&setting, &genomes, false), evaluated(&setting, &genomes, true));
    for ((alone, _), (joined, _)) in alone.iter().zip(&joined) {
        assert_eq!(alone, joined);
    }
    let mut starts: Vec<f64> = joined.iter().map(|(_, started)| *started).collect();
    starts.dedup();
    assert!(starts.len() < joined.len(), "nothing was joined");
}
