//! How well zero-cost proxies order random nets, and what they take: `cargo bench --bench zero_cost -- DATA [--target COL]
//! [--births N] [--seed N] [--share S]`.
//!
//! Births of the preset space are scored untrained, then trained as candidates of a study that is limited by their number,
//! each at the share `S` of that length (default 1). Prints for each proxy, and for the mean of their ranks, Spearman's
//! correlation with the validation score, and the milliseconds that it takes for a net.

mod arguments;
mod exit;
mod real;

use arguments::Arguments;
use evolve::genome::SearchSpace;
use evolve::search::{
    model::{rank_correlation, ranks},
    rng,
};
use evolve::study::lengths;
use evolve::train::{Request, train, zero_cost};
use real::{Real, TARGET};
use std::{process::ExitCode, time::Instant};

const USAGE: &str = "cargo bench --bench zero_cost -- DATA [--target COL] [--births N] [--seed N] [--share S]";

fn main() -> ExitCode {
    exit::exit(run())
}

fn run() -> Result<(), String> {
    let mut arguments = Arguments::read(USAGE)?;
    let words = arguments.words();
    let [path] = &words[..] else { return Err(format!("usage: {USAGE}")) };
    let target = arguments.option("--target")?;
    let births: u64 = arguments.option("--births")?.unwrap_or(60);
    let seed: u64 = arguments.option("--seed")?.unwrap_or(0);
    let share: f64 = arguments.option("--share")?.unwrap_or(1.0);
    arguments.finish()?;
    let real = Real::load(path.into(), target, seed)?;
    let space = SearchSpace::preset(&real.domain());
    let training = lengths::from_data(&space, lengths::FINALISTS);
    let (task, part) = (&real.dataset.task, &real.dataset.train);
    let conditions = zero_cost::Conditions::new(task, part, real.engine.clone(), TARGET, seed);
    let mut seconds = vec![0.0; zero_cost::ALL.len()];
    let mut scores: Vec<Vec<f64>> = vec![vec![]; zero_cost::ALL.len()];
    let (mut trained, mut failed, began) = (vec![], 0, Instant::now());
    for number in 0..births {
        let genome = space.birth(&mut rng(seed, number, 0));
        let costs = real.costs(&genome).map_err(|e| e.to_string())?;
        let examples = training.candidate_examples(&costs, share * f64::from(genome.training.length));
        match train(&real.setting(), Request::new(&genome, number, examples)) {
            Ok(result) => trained.push(result.score),
            Err(_) => {
                failed += 1;
                trained.push(f64::NEG_INFINITY);
            }
        }
        for (index, proxy) in zero_cost::ALL.iter().enumerate() {
            let began = Instant::now();
            let score = (proxy.score)(&genome, &conditions).map_err(|e| e.to_string())?;
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
