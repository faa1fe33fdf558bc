//! How well zero-cost proxies order random nets, and what they take: `cargo bench --bench zero_cost -- DATA [--target COL]
//! [--births N] [--seed N] [--share S]`.
//!
//! Births of the preset space are scored untrained, then trained as candidates of a study that is limited by their number,
//! each at the share `S` of that length (default 1). Prints for each proxy, and for the mean of their ranks, Spearman's
//! correlation with the validation score, and the milliseconds that it takes for a net.

use evolve::data::{self, Options, Validation};
use evolve::engine::{Choice, Device, Request as EngineRequest, select};
use evolve::genome::{Genome, SearchSpace};
use evolve::graph::Target;
use evolve::search::{
    model::{rank_correlation, ranks},
    rng,
};
use evolve::study::lengths;
use evolve::train::{self, ClassWeights, Request, Setting, metric, zero_cost};
use std::sync::atomic::AtomicBool;
use std::{error::Error, path::PathBuf, time::Instant};

struct Arguments {
    path: PathBuf,
    target: Option<String>,
    births: u64,
    seed: u64,
    share: f64,
}

impl Arguments {
    fn parse() -> Result<Self, Box<dyn Error>> {
        let mut parsed = Arguments { path: PathBuf::new(), target: None, births: 60, seed: 0, share: 1.0 };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
            match &argument[..] {
                "--bench" => {}
                "--target" => parsed.target = Some(value()?),
                "--births" => parsed.births = value()?.parse()?,
                "--seed" => parsed.seed = value()?.parse()?,
                "--share" => parsed.share = value()?.parse()?,
                other if other.starts_with("--") => return Err(format!("unknown option {other}").into()),
                other => parsed.path = PathBuf::from(other),
            }
        }
        Ok(parsed)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { path, target, births, seed, share } = Arguments::parse()?;
    let dataset = data::load(&Options { path, target, task: None, validation: Validation::Auto, group: None, seed })?;
    let request = EngineRequest { engine: Choice::OnnxRuntime, device: Device::Cpu, runtime: None, offline: false };
    let engine = select(&request)?.engine;
    let rows = dataset.train.targets.len();
    let space = SearchSpace::preset(&evolve::express::domain(&dataset.task, rows));
    let setting = Setting {
        task: &dataset.task,
        train: &dataset.train,
        validation: &dataset.validation,
        engine: engine.as_ref(),
        target: Target::CpuKernels,
        metric: metric::default_for(dataset.task.kind),
        class_weights: &ClassWeights::Auto,
        stop: &AtomicBool::new(false),
    };
    let training = lengths::from_data(&space, lengths::FINALISTS);
    let conditions = zero_cost::Conditions::new(&dataset.task, &dataset.train, engine.clone(), Target::CpuKernels, seed);
    let mut seconds = vec![0.0; zero_cost::ALL.len()];
    let mut scores: Vec<Vec<f64>> = vec![vec![]; zero_cost::ALL.len()];
    let (mut trained, mut failed, began) = (vec![], 0, Instant::now());
    for number in 0..births {
        let genome = space.birth(&mut rng(seed, number, 0));
        let costs = train::costs(&genome, &dataset.task, rows, dataset.validation.targets.len())?;
        let examples = training.candidate_examples(&costs, share * f64::from(genome.training.length));
        match train::train(&setting, plain(&genome, number, examples)) {
            Ok(result) => trained.push(result.score),
            Err(_) => {
                failed += 1;
                trained.push(f64::NEG_INFINITY);
            }
        }
        for (index, proxy) in zero_cost::ALL.iter().enumerate() {
            let began = Instant::now();
            let score = (proxy.score)(&genome, &conditions)?;
            seconds[index] += began.elapsed().as_secs_f64();
            scores[index].push(if score.is_finite() { score } else { f64::NEG_INFINITY });
        }
    }
    let total = began.elapsed().as_secs_f64();
    println!("{births} births, {failed} failed, {:.2} s for each, scores included", total / births as f64);
    let mut mean = vec![0.0; trained.len()];
    for ((proxy, scores), seconds) in zero_cost::ALL.iter().zip(&scores).zip(&seconds) {
        let correlation = rank_correlation(scores, &trained);
        println!("{:10} {correlation:6.2} {:8.1} ms", proxy.name, 1000.0 * seconds / births as f64);
        mean.iter_mut().zip(ranks(scores)).for_each(|(sum, rank)| *sum += rank);
    }
    println!("{:10} {:6.2}", "mean rank", rank_correlation(&mean, &trained));
    Ok(())
}

/// A training from scratch.
fn plain(genome: &Genome, seed: u64, examples: u64) -> Request<'_> {
    Request::new(genome, seed, examples)
}
