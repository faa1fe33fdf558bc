//! Genomes become graphs: shapes fit, parameters are as many as predicted, weights are inherited without changing what
//! is computed.

mod tasks;

use evolve::data::{Features, InputSpec, OutputSpec, Part, Targets, Task, TaskKind};
use evolve::engine::Tract;
use evolve::express::{domain, inference, inherit, initialise, training_step};
use evolve::genome::{self, Genome, SearchSpace, crossover, mutation};
use evolve::graph::{Dim, Target, Tensor};
use evolve::train::{Evaluator, Weights};
use rand::{RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use tasks::{ROWS, classes, image, table};

fn tasks() -> Vec<Task> {
    vec![
        table(5, &[4, 9], classes(2), TaskKind::Binary),
        table(3, &[], OutputSpec::Value { mean: 3.0, std: 2.0 }, TaskKind::Regression),
        table(0, &[5, 3, 7], classes(3), TaskKind::Multiclass),
        image([8, 8, 1], 10),
        image([28, 28, 1], 10),
        image([64, 64, 3], 9),
    ]
}

fn check(genome: &Genome, task: &Task, space: &SearchSpace) {
    let inference = inference(genome, task, Dim::Batch).unwrap_or_else(|e| panic!("{e}\n{}", genome.json()));
    let counted: usize = inference.params.iter().filter(|p| p.trainable).map(|p| p.elements()).sum();
    assert_eq!(counted as u64, genome::parameters(genome, &space.domain), "{}", genome.json());
    let step = training_step(genome, task, 4).unwrap_or_else(|e| panic!("{e}\n{}", genome.json()));
    assert_eq!(step.params, inference.params, "the two graphs have the same parameters: {}", genome.json());
}

#[test]
fn ten_thousand_births_mutations_and_crossovers_express() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let tasks = tasks();
    let each = 10_000_usize.div_ceil(3 * tasks.len());
    for task in &tasks {
        let space = SearchSpace::preset(&domain(task, ROWS));
        let mut pool = space.seeds();
        pool.iter().for_each(|genome| check(genome, task, &space));
        for _ in 0..each {
            let born = space.birth(&mut rng);
            check(&born, task, &space);
            let mutant = mutation::ALL.choose(&mut rng).and_then(|m| (m.apply)(&space, &born, &mut rng));
            let mutant = mutant.map_or_else(|| space.birth(&mut rng), |edit| edit.genome);
            check(&mutant, task, &space);
            if let (Some(mate), Some(cross)) = (pool.choose(&mut rng), crossover::ALL.choose(&mut rng))
                && let Some(edit) = (cross.apply)(&space, &born, mate, &mut rng)
            {
                check(&edit.genome, task, &space);
                pool.push(edit.genome);
            }
            if pool.len() > 40 {
                pool.remove(0);
            }
        }
    }
}

/// Weights as after some training: nothing is zero, running statistics are not those of the start.
fn trained(genome: &Genome, task: &Task, rng: &mut ChaCha8Rng) -> Weights {
    let params = inference(genome, task, Dim::Batch).expect("a valid genome").params;
    let weights = params.iter().map(|param| {
        let drawn = initialise(param, genome.training.initialisation, rng);
        let values = drawn.as_f32().expect("floats").iter();
        let moved = values.map(|v| v + if param.name.ends_with("variance") { 0.3 } else { rng.random_range(-0.1..0.1) });
        (param.name.clone(), Tensor::f32(&param.shape, moved.collect()))
    });
    weights.collect()
}

fn part(task: &Task, rows: usize, rng: &mut ChaCha8Rng) -> Part {
    let features = match &task.input {
        InputSpec::Table { numeric, categorical } => {
            let numeric = (0..rows * numeric.len()).map(|_| rng.random_range(-2.0..2.0)).collect();
            let mut codes = vec![];
            for _ in 0..rows {
                let mut start = 0;
                for c in categorical {
                    codes.push((start + rng.random_range(0..c.slots as u64) as usize) as i64);
                    start += c.slots;
                }
            }
            Features::Table { numeric, codes }
        }
        InputSpec::Image { height, width, channels, .. } => {
            Features::Images { pixels: (0..rows * height * width * channels).map(|_| rng.random()).collect() }
        }
    };
    Part { features, targets: Targets::Classes(vec![0; rows]) }
}

fn outputs(genome: &Genome, task: &Task, weights: &Weights, part: &Part) -> Vec<f32> {
    let mut evaluator = Evaluator::new(genome, task, 3, &Tract, Target::Portable).expect("an inference graph");
    evaluator.set_weights(weights).expect("weights");
    evaluator.outputs(part).expect("outputs")
}

#[test]
fn weights_of_another_net_are_refused() {
    let task = &tasks()[0];
    let genome = SearchSpace::preset(&domain(task, ROWS)).seeds().remove(0);
    let mut evaluator = Evaluator::new(&genome, task, 3, &Tract, Target::Portable).expect("an inference graph");
    let error = evaluator.set_weights(&Weights::new()).expect_err("no weights").to_string();
    assert!(error.starts_with("the weights are of another net: they lack "), "{error}");
}

/// Every mutation that claims so leaves the outputs as they were, for several nets each.
#[test]
fn preserving_edits_preserve() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut seen = std::collections::BTreeMap::<&str, usize>::new();
    for task in [&tasks()[0], &tasks()[3]] {
        let space = SearchSpace::preset(&domain(task, ROWS));
        let part = part(task, 3, &mut rng);
        for mutation in mutation::ALL.iter().filter(|m| m.preserving && m.kind == mutation::Kind::Architecture) {
            let mut done = 0;
            for _ in 0..200 {
                let parent = space.birth(&mut rng);
                let Some(edit) = (mutation.apply)(&space, &parent, &mut rng) else { continue };
                let weights = trained(&parent, task, &mut rng);
                let child = inherit(&parent, &weights, &edit.genome, task, &mut rng).expect("inherited weights");
                let before = outputs(&parent, task, &weights, &part);
                let after = outputs(&edit.genome, task, &child, &part);
                let scale = before.iter().fold(1.0_f32, |m, v| m.max(v.abs()));
                for (a, b) in before.iter().zip(&after) {
                    assert!((a - b).abs() <= 1e-5 * scale, "{}: {a} became {b}\n{}", edit.words, parent.json());
                }
                done += 1;
                *seen.entry(mutation.name).or_default() += 1;
                if done == 6 {
                    break;
                }
            }
        }
    }
    for mutation in mutation::ALL.iter().filter(|m| m.preserving && m.kind == mutation::Kind::Architecture) {
        assert!(seen.get(mutation.name).is_some_and(|&n| n >= 3), "{} was hardly tried: {seen:?}", mutation.name);
    }
}

/// A net that shrinks keeps the channels whose weights have the largest norm.
#[test]
fn shrinking_keeps_the_strongest_channels() {
    use evolve::genome::Net;
    let task = &tasks()[0];
    let space = SearchSpace::preset(&domain(task, ROWS));
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let parent = space.seeds().into_iter().find(|g| matches!(&g.net, Net::Table(t) if t.blocks.len() > 1)).expect("a seed");
    let mut weights = trained(&parent, task, &mut rng);
    let width = |genome: &Genome| match &genome.net {
        Net::Table(net) => net.blocks[0].width,
        Net::Image(_) | Net::Ancestor(_) => 0,
    };
    let mut child = parent.clone();
    if let Net::Table(net) = &mut child.net {
        net.blocks[0].width /= 2;
    }
    let (old, new) = (width(&parent), width(&child));
    let name = "blocks.0.linear.weight";
    let matrix = weights.get(name).expect("the first layer").clone();
    let strong: Vec<usize> = (0..old).filter(|j| j % 2 == 1).collect();
    let values = matrix.as_f32().expect("floats");
    let scaled = values.iter().enumerate().map(|(i, v)| if (i % old) % 2 == 1 { v * 100.0 } else { *v }).collect();
    weights.insert(name.into(), Tensor::f32(&matrix.shape, scaled));
    let inherited = inherit(&parent, &weights, &child, task, &mut rng).expect("inherited weights");
    let kept = inherited[name].as_f32().expect("floats").to_vec();
    let before = weights[name].as_f32().expect("floats").to_vec();
    for (row, line) in kept.chunks(new).enumerate() {
        let expected: Vec<f32> = strong.iter().take(new).map(|&j| before[row * old + j]).collect();
        assert_eq!(line, expected);
    }
}
