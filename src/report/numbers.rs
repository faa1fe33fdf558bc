//! `report.json`.

use super::{Baseline, Contribution, Digest, Front, Hypervolume, Input, Layer, Scored, Share};
use crate::{data::TaskKind, search::model::Importance, study::Failure, train::Scores};
use serde::Serialize;
use std::collections::BTreeMap;

/// The report for programs.
#[derive(Debug, Clone, Serialize)]
pub struct Numbers {
    /// Name of the data.
    pub data: String,
    /// Kind of the task.
    pub task: TaskKind,
    /// Metric that the study goes by.
    pub metric: &'static str,
    /// Whether higher is better.
    pub higher_is_better: bool,
    /// That metric of the exported net on the validation part, or of a cross-validation its mean over the folds.
    pub value: Option<f64>,
    /// How it was scored.
    pub scored: Scored,
    /// All its metrics there.
    pub scores: Scores,
    /// What any search has to beat.
    pub baselines: Vec<Baseline>,
    /// The exported candidate; of an ensemble that with the largest share.
    pub candidate: Option<u64>,
    /// The networks of an ensemble, where one is exported.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ensemble: Vec<Share>,
    /// Parameters of what is exported.
    pub parameters: u64,
    /// Its multiply-accumulates for a row.
    pub macs: u64,
    /// Size of the exported file.
    pub bytes: u64,
    /// Its layers.
    pub layers: Vec<Layer>,
    /// The front, where there are several objectives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub front: Option<Front>,
    /// Its hypervolume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hypervolume: Option<Hypervolume>,
    /// Lineage of the exported net, the oldest ancestor first.
    pub lineage: Vec<Ancestor>,
    /// Candidates evaluated.
    pub candidates: u64,
    /// Those among them that were paused and did not go on.
    #[serde(skip_serializing_if = "is_none")]
    pub paused: u64,
    /// Failures by kind.
    pub failures: Vec<(Failure, u64)>,
    /// Scored candidates of each arm.
    pub arms: BTreeMap<String, u64>,
    /// What each arm contributed, in the order of their first candidates.
    pub contributions: Vec<Contribution>,
    /// Which genes mattered; none where there are too few candidates to tell.
    pub importance: Option<GeneImportance>,
    /// Training examples consumed.
    pub examples: u64,
    /// Whether the user stopped it.
    pub stopped: bool,
    /// Settings by name.
    pub settings: BTreeMap<String, String>,
    /// What depends on clock and machine.
    pub timing: Duration,
}

/// An ancestor of the exported candidate.
#[derive(Debug, Clone, Serialize)]
pub struct Ancestor {
    /// Number.
    pub candidate: u64,
    /// Arm that made it.
    pub arm: String,
    /// Edits in words.
    pub edits: Vec<String>,
    /// First parent, where it has one.
    pub parent: Option<u64>,
    /// Whether its training went on from that parent's weights.
    pub inherits: bool,
    /// The study's metric.
    pub value: Option<f64>,
    /// That less the value of the parent, where both have one.
    pub gain: Option<f64>,
}

/// Which genes mattered: the permutation importance of a Gaussian process over the genes, as loss of rank correlation
/// (Spearman) on held-out candidates.
#[derive(Debug, Clone, Serialize)]
pub struct GeneImportance {
    /// Candidates that were looked at.
    pub candidates: usize,
    /// Correlation with nothing shuffled.
    pub correlation: f64,
    /// Whether that is enough for the genes to mean anything.
    pub trustworthy: bool,
    /// The genes, the most important first.
    pub genes: Vec<Gene>,
}

/// A gene and what it mattered.
#[derive(Debug, Clone, Serialize)]
pub struct Gene {
    /// Its name.
    pub gene: &'static str,
    /// Loss of correlation where it is shuffled.
    pub importance: f64,
}

impl From<Importance> for GeneImportance {
    fn from(found: Importance) -> Self {
        GeneImportance {
            candidates: found.sampled,
            correlation: found.correlation,
            trustworthy: found.is_trustworthy(),
            genes: found.genes.into_iter().map(|(gene, importance)| Gene { gene, importance }).collect(),
        }
    }
}

/// How long the study took.
#[derive(Debug, Clone, Serialize)]
pub struct Duration {
    /// Seconds of all sessions until the last training ended.
    pub seconds: f64,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

/// The numbers of a report, from the fold over its journal.
pub fn numbers(input: &Input, digest: Digest) -> Numbers {
    let mut arms: BTreeMap<String, u64> = BTreeMap::new();
    for point in &digest.points {
        *arms.entry(digest.arms[point.arm].clone()).or_default() += 1;
    }
    Numbers {
        data: input.name.clone(),
        task: input.task.kind,
        metric: input.metric.name,
        higher_is_better: input.metric.higher_is_better,
        value: digest.value,
        scored: input.scored.clone(),
        scores: digest.choice.as_ref().map(|choice| choice.scores.clone()).unwrap_or_default(),
        baselines: input.baselines.clone(),
        candidate: digest.choice.as_ref().map(|choice| choice.candidate),
        ensemble: digest.choice.as_ref().map(Share::all_of).unwrap_or_default(),
        parameters: digest.parameters,
        macs: digest.macs,
        bytes: input.bytes,
        layers: input.layers.clone(),
        front: input.front.clone(),
        hypervolume: input.front.as_ref().and_then(|front| front.hypervolume(input)),
        lineage: digest
            .lineage
            .into_iter()
            .map(|step| Ancestor {
                candidate: step.number,
                arm: step.arm,
                edits: step.edits,
                parent: step.parent,
                inherits: step.inherits,
                value: step.value,
                gain: step.gain,
            })
            .collect(),
        candidates: digest.candidates,
        paused: digest.paused,
        failures: digest.failures.into_iter().map(|(kind, count, _)| (kind, count)).collect(),
        arms,
        contributions: digest.contributions,
        importance: digest.importance.map(GeneImportance::from),
        examples: digest.examples,
        stopped: input.stopped,
        settings: input.settings.iter().cloned().collect(),
        timing: Duration { seconds: digest.seconds },
    }
}
