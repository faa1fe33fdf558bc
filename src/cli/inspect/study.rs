//! What the folder of a study holds, from its journal.

use super::scores_text;
use crate::{
    cli::{Failure, objectives},
    export::FrontFile,
    report::{self, Contribution, GeneImportance, Share, Step, grouped, number},
    study::{Candidate, Choice, FrontMember, Journal, Objectives, Outcome, Record, Settings},
    train::{Costs, Scores},
};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

/// A study as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct StudyPart {
    folder: PathBuf,
    candidates: u64,
    failed: u64,
    /// Those that were paused and did not go on.
    paused: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    best: Option<Best>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    front: Vec<FrontEntry>,
    lineage: Vec<LineageEntry>,
    contributions: Vec<Contribution>,
    importance: Option<GeneImportance>,
}

#[derive(Debug, Serialize)]
struct FrontEntry {
    file: PathBuf,
    candidate: u64,
    /// The study's metric, where its settings tell which that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    metric: Option<String>,
    scores: Scores,
    objectives: Objectives,
}

#[derive(Debug, Serialize)]
struct Best {
    candidate: u64,
    /// The networks that answer together, where an ensemble is exported.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ensemble: Vec<Share>,
    scores: Scores,
    parameters: u64,
    macs: u64,
    exported: bool,
}

#[derive(Debug, Serialize)]
struct LineageEntry {
    candidate: u64,
    arm: String,
    edits: Vec<String>,
    score: Option<f64>,
    gain: Option<f64>,
    /// Whether it was paused, and has no score for that reason.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    paused: bool,
}

/// Reads the journal of a study.
///
/// # Errors
/// Where the folder holds no study, or its journal is damaged.
pub(super) fn inspect(folder: &Path) -> Result<StudyPart, Failure> {
    let journal = folder.join("journal.jsonl");
    if fs::metadata(&journal).is_err() {
        return Err(Failure::bad_input(format!("{} holds no study: it has no journal.jsonl", folder.display())));
    }
    let mut candidates: BTreeMap<u64, Candidate> = BTreeMap::new();
    let mut choice = None;
    for record in Journal::read(&journal)? {
        match record {
            Record::Candidate(candidate) => drop(candidates.insert(candidate.number, *candidate)),
            Record::Choice(chosen) => choice = Some(chosen),
            Record::Finals(_) | Record::Finalist(_) | Record::Refit(_) => {}
        }
    }
    let best = match &choice {
        Some(choice) => candidates.get(&choice.candidate),
        None => Candidate::best_of(candidates.values()),
    };
    let scores = |candidate: &Candidate| match (&choice, &candidate.outcome) {
        (Some(choice), _) => choice.scores.clone(),
        (None, Outcome::Scored { scores, .. }) => scores.clone(),
        (None, Outcome::Paused { .. } | Outcome::Failed { .. }) => Scores::new(),
    };
    let continued = |number: u64| {
        candidates.values().any(|c| c.proposal.continues.is_some_and(|continues| continues.candidate == number))
    };
    let by_number = candidates.values().map(|candidate| (candidate.number, candidate)).collect();
    let lineage = |candidate: &Candidate| {
        let steps = report::lineage(candidate, &by_number, |candidate| candidate.outcome.score());
        steps.into_iter().map(LineageEntry::from).collect()
    };
    // Of an ensemble all its networks count.
    let parts = |candidate: &Candidate| choice.as_ref().map_or_else(|| vec![candidate.number], Choice::candidates);
    let sum = |candidate: &Candidate, of: fn(&Costs) -> u64| -> u64 {
        parts(candidate).iter().filter_map(|number| Some(of(candidates.get(number)?.outcome.costs()))).sum()
    };
    let paused = candidates.values().filter(|c| c.outcome.checkpoint().is_some() && !continued(c.number));
    Ok(StudyPart {
        folder: folder.to_owned(),
        candidates: candidates.len() as u64,
        failed: candidates.values().filter(|c| matches!(c.outcome, Outcome::Failed { .. })).count() as u64,
        paused: paused.count() as u64,
        best: best.map(|candidate| Best {
            candidate: candidate.number,
            ensemble: choice.as_ref().map(Share::all_of).unwrap_or_default(),
            scores: scores(candidate),
            parameters: sum(candidate, |costs| costs.parameters),
            macs: sum(candidate, |costs| costs.macs),
            exported: choice.is_some(),
        }),
        front: choice.as_ref().map(|choice| front(folder, choice)).unwrap_or_default(),
        lineage: best.map(lineage).unwrap_or_default(),
        contributions: report::contributions(candidates.values()),
        importance: report::importance(candidates.values()).map(GeneImportance::from),
    })
}

/// The front that was exported, the best by the metric first.
fn front(folder: &Path, choice: &Choice) -> Vec<FrontEntry> {
    let metric = Settings::read_file(&folder.join("study.toml")).ok().map(|settings| settings.search.metric);
    let entry = |member: &FrontMember| FrontEntry {
        file: FrontFile::path_in(folder, member.candidate),
        candidate: member.candidate,
        metric: metric.clone(),
        scores: member.scores.clone(),
        objectives: member.objectives.clone(),
    };
    choice.front.iter().map(entry).collect()
}

impl From<Step> for LineageEntry {
    fn from(step: Step) -> Self {
        let Step { number: candidate, arm, edits, value: score, gain, paused, .. } = step;
        LineageEntry { candidate, arm, edits, score, gain, paused }
    }
}

// Writing into a string cannot fail, so the results of `writeln!` are dropped below.

/// A study for people.
pub(super) fn text(study: &StudyPart, text: &mut String) {
    let paused = if study.paused > 0 { format!(", {} paused", study.paused) } else { String::new() };
    let _ = writeln!(text, "{}: {} candidates{paused}, {} failed", study.folder.display(), study.candidates, study.failed);
    if let Some(best) = &study.best {
        let exported = if best.exported { "exported" } else { "best so far" };
        let macs = grouped(best.macs);
        let others: Vec<String> = best.ensemble.iter().skip(1).map(|other| other.candidate.to_string()).collect();
        let together = if others.is_empty() { String::new() } else { format!(" with {}", others.join(", ")) };
        let _ = writeln!(
            text,
            "{exported}: candidate {}{together}, {} parameters, {macs} multiply-adds a row",
            best.candidate,
            grouped(best.parameters)
        );
        scores_text(&best.scores, text);
    }
    if !study.front.is_empty() {
        let _ = writeln!(text, "\nfront");
    }
    for entry in &study.front {
        let value =
            entry.metric.as_ref().and_then(|metric| Some(format!("{metric} {}, ", number(*entry.scores.get(metric)?))));
        let objectives = objectives::in_words(&entry.objectives);
        let _ = writeln!(text, "  {}  {}{objectives}", entry.file.display(), value.unwrap_or_default());
    }
    if !study.lineage.is_empty() {
        let _ = writeln!(text, "\nlineage");
    }
    for entry in &study.lineage {
        let without = if entry.paused { "paused" } else { "failed" };
        let score = entry.score.map_or_else(|| without.to_owned(), number);
        let gain = entry.gain.map_or_else(String::new, signed);
        let edits = entry.edits.join("; ");
        let _ = writeln!(text, "  {:>6}  {score:>10}  {gain:>9}  {:<10} {edits}", entry.candidate, entry.arm);
    }
    contributions_text(&study.contributions, text);
    importance_text(study.importance.as_ref(), text);
    text.push('\n');
}

fn signed(gain: f64) -> String {
    format!("{}{}", if gain < 0.0 { "−" } else { "+" }, number(gain.abs()))
}

fn contributions_text(arms: &[Contribution], text: &mut String) {
    if arms.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n  arm        tried  failed  share of examples  times best       gain  gain per share");
    for arm in arms {
        let _ = writeln!(
            text,
            "  {:<10} {:>5}  {:>6}  {:>16.0}%  {:>10}  {:>9}  {:>14}",
            arm.arm,
            arm.candidates,
            arm.failed,
            arm.share * 100.0,
            arm.improvements,
            number(arm.gain),
            number(arm.gain_per_share)
        );
    }
}

fn importance_text(importance: Option<&GeneImportance>, text: &mut String) {
    let Some(found) = importance else { return };
    if !found.trustworthy {
        let _ = writeln!(text, "\nwhich genes mattered is not known: a model of them ranks unseen candidates hardly better");
        let _ = writeln!(text, "than chance (rank correlation {:.2})", found.correlation);
        return;
    }
    let _ = writeln!(text, "\nloss of the rank correlation {:.2} of a model where a gene is shuffled", found.correlation);
    for gene in &found.genes {
        // Adding zero to what was rounded leaves no negative zero.
        let lost = (gene.importance * 100.0).round() / 100.0 + 0.0;
        let _ = writeln!(text, "  {:<30} {lost:>5.2}", gene.gene);
    }
}
