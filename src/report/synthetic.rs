//! Made-up studies for tests and for looking at the page.

use super::{Baseline, Front, Input, Layer, Member, Scored};
use crate::{
    data::{InputSpec, NumericFeature, OutputSpec, Targets, Task, TaskKind},
    genome::{Domain, Genome, InputDomain, SearchSpace},
    search::{Continuation, Origin, Proposal},
    study::{Candidate, Choice, Failure, Objectives, Outcome, Record, Timing, objective},
    train::{
        Costs, CurvePoint, RungScore, Scores,
        metric::{self, Predictions},
    },
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const CANDIDATES: u64 = 240;

/// A study of a binary task.
pub(crate) fn study() -> Input {
    classification(&["<=50K", ">50K"])
}

/// A study of a task with this many classes and hostile names.
pub(crate) fn many_classes(classes: usize) -> Input {
    let names: Vec<String> = (0..classes).map(|class| format!("<b>class & {class}")).collect();
    classification(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn classification(names: &[&str]) -> Input {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let classes = names.len();
    let kind = if classes == 2 { TaskKind::Binary } else { TaskKind::Multiclass };
    let truth: Vec<u32> = (0..1200).map(|_| rng.random_range(0..classes as u32)).collect();
    let values = truth.iter().flat_map(|&truth| {
        let said = if rng.random_bool(0.86) { truth } else { rng.random_range(0..classes as u32) };
        (0..classes as u32).map(move |class| if class == said { 0.7 } else { 0.3 / (classes - 1).max(1) as f32 })
    });
    let predictions = Predictions::Probabilities { classes, values: values.collect() };
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    let output = OutputSpec::Classes { names, integers: false, counts: vec![600; classes] };
    let baselines = [("majority class", 0.7592), ("linear model", 0.8479)];
    input(kind, output, predictions, Targets::Classes(truth), &baselines, |quality| 0.868 - quality)
}

/// A study that minimises the latency and the size, too.
pub(crate) fn several_objectives() -> Input {
    let mut input = study();
    let objectives = ["latency", "size"].map(|name| objective::find(name).expect("an objective")).to_vec();
    let mut members = Vec::new();
    for record in &mut input.records {
        let Record::Candidate(candidate) = record else { continue };
        let Outcome::Scored { scores, costs, objectives, .. } = &mut candidate.outcome else { continue };
        let parameters = costs.parameters as f64;
        *objectives = Objectives::from([("latency".into(), 0.02 + parameters / 1e6), ("size".into(), 4.0 * parameters)]);
        members.push(Member {
            file: format!("pareto/candidate_{}.onnx", candidate.number),
            candidate: candidate.number,
            value: scores[input.metric.name],
            objectives: objectives.clone(),
            bytes: 4 * costs.parameters,
        });
    }
    let beats = |a: &Member, b: &Member| a.value > b.value && a.objectives["size"] < b.objectives["size"];
    let mut first: Vec<Member> = members.iter().filter(|a| !members.iter().any(|b| beats(b, a))).cloned().collect();
    first.sort_by(|a, b| b.value.total_cmp(&a.value));
    input.front = Some(Front { objectives, members: first });
    input
}

/// A study whose worse candidates were paused.
pub(crate) fn paused() -> Input {
    let mut input = study();
    for record in &mut input.records {
        let Record::Candidate(candidate) = record else { continue };
        let Outcome::Scored { scores, score, costs, curve, .. } = &mut candidate.outcome else { continue };
        let last = scores[input.metric.name];
        let point = |i: u64| CurvePoint { examples: costs.examples * i / 8, loss: 1.0, metric: last - 0.1 / i as f64 };
        *curve = (1..=8).map(point).collect();
        if *score < 0.85 {
            let (scores, costs, rungs) = (scores.clone(), *costs, vec![RungScore { share: 0.25, score: curve[1].metric }]);
            candidate.outcome =
                Outcome::Paused { scores, costs, curve: curve[..2].to_vec(), rungs, checkpoint: String::new() };
        }
    }
    input
}

/// A birth; an edit of it that was paused twice, as 1 and 2, and went on as 3; and an edit of that.
pub(crate) fn continued() -> Vec<Candidate> {
    let candidate = |record| if let Record::Candidate(candidate) = record { Some(*candidate) } else { None };
    let mut candidates: Vec<Candidate> = study().records.into_iter().filter_map(candidate).take(5).collect();
    let scores = [Some(0.5), None, None, Some(0.75), Some(0.875)];
    let origins =
        [("birth", None), ("evsm", Some(0)), ("continued", Some(1)), ("continued", Some(2)), ("mutation", Some(3))];
    for ((candidate, wanted), (arm, parent)) in candidates.iter_mut().zip(scores).zip(origins) {
        let edited = arm != "birth" && arm != "continued";
        let edits = if edited { vec!["learning rate 0.003 → 0.0017".to_owned()] } else { vec![] };
        candidate.proposal.origin = Origin { arm: arm.to_owned(), edits, parents: parent.into_iter().collect() };
        let continues = parent.filter(|_| arm == "continued").map(|candidate| Continuation { candidate, from: 0.125 });
        candidate.proposal.continues = continues;
        let Outcome::Scored { scores, score, costs, .. } = &mut candidate.outcome else { continue };
        costs.examples = 100;
        match wanted {
            Some(wanted) => *score = wanted,
            None => {
                let (scores, costs, checkpoint) = (scores.clone(), *costs, String::new());
                candidate.outcome = Outcome::Paused { scores, costs, curve: vec![], rungs: vec![], checkpoint };
            }
        }
    }
    candidates
}

/// A study of a regression.
pub(crate) fn regression() -> Input {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let truth: Vec<f32> = (0..400).map(|_| 5.0 + 70.0 * rng.random::<f32>() * rng.random::<f32>()).collect();
    let said = truth.iter().map(|value| value + 9.0 * (rng.random::<f32>() - 0.5)).collect();
    let output = OutputSpec::Value { mean: 35.0, std: 16.0 };
    let baselines = [("mean", 16.4), ("linear model", 10.2)];
    let values = Predictions::Values(said);
    input(TaskKind::Regression, output, values, Targets::Values(truth), &baselines, |quality| 4.7 + 60.0 * quality)
}

fn input(
    kind: TaskKind,
    output: OutputSpec,
    predictions: Predictions,
    targets: Targets,
    baselines: &[(&str, f64)],
    value: impl Fn(f64) -> f64,
) -> Input {
    let numeric = (0..8).map(|n| NumericFeature { name: format!("x{n}"), knots: vec![] }).collect();
    let task = Task { kind, input: InputSpec::Table { numeric, categorical: vec![] }, output };
    let metric = metric::default_for(kind);
    let records = records(&task, metric, value);
    Input {
        name: "census <2024> & more.csv".to_owned(),
        task,
        metric,
        records,
        settings: [
            ("rows to train on", "26 049"),
            ("strategy", "ga"),
            ("seed", "7"),
            ("SHA-256 of census.csv", &"0f3a".repeat(16)),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
        predictions,
        targets,
        baselines: baselines.iter().map(|(name, value)| Baseline { name: (*name).to_owned(), value: *value }).collect(),
        layers: layers(),
        bytes: 214_016,
        front: None,
        stopped: false,
        scored: Scored::default(),
    }
}

fn layers() -> Vec<Layer> {
    [
        ("", "inputs", "14 columns", 0),
        ("preprocessing", "standardise, encode", "N × 104", 0),
        ("encode", "embedding", "N × 152", 3_120),
        ("blocks.0.linear", "linear", "N × 192", 29_376),
        ("blocks.0.norm", "batch norm, ReLU", "N × 192", 384),
        ("blocks.1.linear", "residual linear", "N × 192", 37_056),
        ("head.linear", "linear", "N × 2", 386),
        ("output", "softmax, label", "N × 2", 0),
    ]
    .map(|(name, kind, output, parameters)| Layer {
        name: name.into(),
        kind: kind.into(),
        output: output.into(),
        parameters,
    })
    .to_vec()
}

fn records(task: &Task, metric: &metric::Metric, value: impl Fn(f64) -> f64) -> Vec<Record> {
    let domain = Domain {
        input: InputDomain::Table { knots: vec![0; 8], slots: vec![] },
        outputs: task.outputs(),
        classification: task.kind != TaskKind::Regression,
        rows: 26_049,
    };
    let seed = SearchSpace::preset(&domain).seeds().remove(0);
    let (mut rng, mut births) = (ChaCha8Rng::seed_from_u64(5), ChaCha8Rng::seed_from_u64(6));
    let mut best = (0, f64::INFINITY);
    let mut records = Vec::new();
    for number in 0..CANDIDATES {
        let noise = 0.02 * rng.random::<f64>().powi(3);
        let arm = ["birth", "crossover", "mutation", "evsm", "eems"][if number < 16 { 0 } else { rng.random_range(0..5) }];
        // What decides is the learning rate, which all arms but births narrow down; the weight decay differs, too.
        let reach = if arm == "birth" { 1.5 } else { 1.5 * (-(number as f32) / 100.0).exp() };
        let mut genome = seed.clone();
        genome.training.learning_rate = 10f32.powf(-2.5 + births.random_range(-reach..reach));
        genome.training.weight_decay = births.random_range(0.0..0.2);
        let off = (f64::from(genome.training.learning_rate) / 0.003).ln().abs().min(3.0);
        let quality = 0.02 * (-(number as f64) / 70.0).exp() + noise + 0.03 * off;
        let origin = origin(arm, best.0, number, &mut rng);
        let costs = Costs {
            parameters: (600.0 * (7.0 * rng.random::<f64>()).exp()) as u64,
            macs: 80_000,
            work: 600_000,
            examples: 60_000,
            memory: 40 << 20,
        };
        let outcome = if number % 41 == 17 {
            Outcome::Failed { kind: Failure::Diverged, message: "loss is not finite <NaN>".into(), costs }
        } else {
            if quality < best.1 {
                best = (number, quality);
            }
            let value = value(quality);
            let scores = Scores::from([(metric.name.to_owned(), value)]);
            Outcome::Scored {
                scores,
                score: metric::score(metric, value),
                costs,
                objectives: Objectives::new(),
                violation: 0.0,
                curve: vec![],
                weights: String::new(),
                trainings: vec![],
                rungs: vec![],
            }
        };
        records.push(Record::Candidate(Box::new(candidate(number, genome, origin, outcome))));
    }
    let scores = Scores::from([(metric.name.to_owned(), value(best.1 - 0.002)), ("other".to_owned(), 0.3127)]);
    records.push(Record::Choice(Choice {
        after: CANDIDATES,
        candidate: best.0,
        finalist: Some(0),
        scores,
        weights: String::new(),
        violation: 0.0,
        front: vec![],
        training: 0,
        refit: None,
        not_refit: None,
        ensemble: None,
        not_combined: None,
        interrupted: false,
    }));
    records
}

fn origin(arm: &str, parent: u64, number: u64, rng: &mut ChaCha8Rng) -> Origin {
    if arm == "birth" || number == 0 {
        return Origin { arm: "birth".to_owned(), edits: vec![], parents: vec![] };
    }
    let edits = [
        "widen blocks.0 128 → 192",
        "insert residual block after blocks.0",
        "learning rate 0.003 → 0.0017",
        "dropout of blocks.1 0.1 → 0.25",
    ];
    Origin { arm: arm.to_owned(), edits: vec![edits[rng.random_range(0..edits.len())].to_owned()], parents: vec![parent] }
}

fn candidate(number: u64, genome: Genome, origin: Origin, outcome: Outcome) -> Candidate {
    Candidate {
        number,
        hash: format!("{number:064x}"),
        proposal: Proposal { genome, origin, inherit: None, length: 1.0, rungs: Vec::new(), continues: None },
        outcome,
        timing: Timing { started: number as f64 * 1.5, seconds: 2.4, members: 1, batch: None },
    }
}
