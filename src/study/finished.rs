//! What a finished study hands over to be exported.

use super::{
    Candidate, Choice, EnsembleMember, FrontMember, Outcome, Resources, SingleTraining, Study, StudyError, TrainingLength,
    evaluator::stopped,
};
use crate::data::Dataset;
use crate::genome::Genome;
use crate::train::{Weights, ensemble::Member};

/// The result of a study.
#[derive(Debug, Clone)]
pub struct Finished {
    /// What is to be exported.
    pub choice: Choice,
    /// Its proposal.
    pub candidate: Candidate,
    /// What was trained.
    pub net: TrainedNet,
    /// Those that answer together with it, in the order of [`super::Ensemble::members`].
    pub others: Vec<TrainedNet>,
    /// The same of the front, in the order of [`Choice::front`].
    pub front: Vec<TrainedNet>,
    /// Whether the choice was trained on all rows; if not, of a cross-validation on those outside of [`Finished::fold`], else
    /// on those outside of the validation part.
    pub refit: bool,
    /// Fold of a cross-validation whose net is exported where none was trained on all rows.
    pub fold: usize,
    /// The weights that were scored, of [`Finished::nets`]: trained outside of each fold of a cross-validation, in the order of
    /// [`Dataset::folds`], or outside of the validation part.
    pub scored: Vec<Vec<Weights>>,
    /// The trainings that it was chosen by, where they are several.
    pub trainings: Vec<SingleTraining>,
    /// Whether the user stopped the study before its end.
    pub stopped: bool,
}

/// A net as it was trained last: by the search, in the finals, or on all rows.
#[derive(Debug, Clone)]
pub struct TrainedNet {
    /// The candidate's genome; how it is trained is as in that training.
    pub genome: Genome,
    /// How long it was trained last.
    pub length: TrainingLength,
    /// Its weights.
    pub weights: Weights,
    /// Its share in what an ensemble says; 1 where it stands alone.
    pub share: f64,
}

impl TrainedNet {
    /// It as a part of what is said.
    pub fn member(&self) -> Member<'_> {
        Member { genome: &self.genome, weights: &self.weights, share: self.share }
    }
}

impl Finished {
    /// The nets that are exported, the choice first.
    pub fn nets(&self) -> impl Iterator<Item = &TrainedNet> {
        std::iter::once(&self.net).chain(&self.others)
    }

    /// The data with the preprocessing that the weights were trained with: all of it, or that of their fold.
    pub fn data<'a>(&self, dataset: &'a Dataset) -> &'a Dataset {
        if self.refit { dataset } else { dataset.folds.get(self.fold).unwrap_or(dataset) }
    }
}

/// A candidate as it was trained to the weights that are looked for.
pub(super) struct AsTrained<'a> {
    /// Its genome; the finals may train it otherwise than the search.
    pub(super) genome: Genome,
    /// What became of that training.
    pub(super) outcome: &'a Outcome,
    /// How long it was, from its first step on where it was paused on its way; of several trainings, all of them together.
    pub(super) length: TrainingLength,
}

impl Study {
    /// What was chosen, with its weights.
    pub(super) fn finished(&self, choice: Choice, resources: &Resources<'_>) -> Result<Finished, StudyError> {
        let candidate = |number: u64| self.candidates.get(&number).cloned().ok_or(StudyError::Diverges { number });
        let trained = |number: u64, weights: &str| self.as_trained(number, weights).ok_or(StudyError::Diverges { number });
        let net = |candidate: u64, weights: &str, refit: Option<&str>, share: f64| {
            let AsTrained { genome, length, .. } = trained(candidate, weights)?;
            let length = self.refit_length(refit, length);
            Ok(TrainedNet { genome, length, weights: self.store.get(refit.unwrap_or(weights))?, share })
        };
        let member = |m: &FrontMember| net(m.candidate, &m.weights, None, 1.0);
        let other = |m: &EnsembleMember| net(m.candidate, &m.weights, m.refit.as_deref(), m.share);
        let members = choice.ensemble.as_ref().map_or(&[][..], |ensemble| &ensemble.members);
        let trainings = self.trainings(resources);
        let stored = self.store.get(&choice.weights)?;
        let lost = |training: usize| {
            let (hash, reason) = (choice.weights.clone(), format!("none of training {training}"));
            StudyError::Weights { hash, reason }
        };
        let of = |training| trainings.weights(&stored, training).ok_or_else(|| lost(training));
        let AsTrained { genome, outcome, length } = trained(choice.candidate, &choice.weights)?;
        let source = trainings.source(&stored, choice.training).ok_or_else(|| lost(choice.training))?;
        let length = match outcome.trainings().get(source) {
            Some(single) => TrainingLength { examples: single.examples, ..length },
            None => length,
        };
        let length = self.refit_length(choice.refit.as_deref(), length);
        let weights = match &choice.refit {
            Some(refit) => self.store.get(refit)?,
            None => of(choice.training)?,
        };
        Ok(Finished {
            net: TrainedNet { genome, length, weights, share: members.first().map_or(1.0, |member| member.share) },
            others: members.iter().skip(1).map(other).collect::<Result<_, StudyError>>()?,
            refit: choice.refit.is_some(),
            fold: trainings.fold(choice.training),
            scored: match resources.dataset.folds.len() {
                0 => {
                    let others = members.iter().skip(1).map(|member| self.store.get(&member.weights));
                    vec![std::iter::once(of(choice.training)).chain(others).collect::<Result<_, _>>()?]
                }
                folds => (0..folds).map(|fold| Ok(vec![of(fold)?])).collect::<Result<_, StudyError>>()?,
            },
            trainings: outcome.trainings().to_vec(),
            candidate: candidate(choice.candidate)?,
            front: choice.front.iter().map(member).collect::<Result<_, StudyError>>()?,
            choice,
            stopped: stopped(resources.stop),
        })
    }

    /// How long a net was trained that was scored after `length`, and then on all rows, where it was.
    fn refit_length(&self, refit: Option<&str>, length: TrainingLength) -> TrainingLength {
        match refit.and_then(|weights| self.refits.iter().find(|refit| refit.outcome.weights() == Some(weights))) {
            Some(refit) => TrainingLength { examples: refit.outcome.costs().examples, all_rows: true, ..length },
            None => length,
        }
    }

    /// A candidate as it was trained to these weights, in the search or in the finals.
    pub(super) fn as_trained(&self, candidate: u64, weights: &str) -> Option<AsTrained<'_>> {
        let searched = self.candidates.get(&candidate)?;
        let mut genome = searched.proposal.genome.clone();
        let is_it = |outcome: &Outcome| outcome.weights() == Some(weights);
        let Some(finalist) = self.finalists.iter().find(|f| f.candidate == candidate && is_it(&f.outcome)) else {
            let parts = searched.course(|number| self.candidates.get(&number));
            let examples = parts.map(|part| part.outcome.costs().examples).sum();
            let length = TrainingLength { examples, inherited: self.inherits(searched), ..TrainingLength::default() };
            return Some(AsTrained { genome, outcome: &searched.outcome, length });
        };
        let finals = self.finals.iter().find(|finals| finals.after == finalist.after);
        let entry = finals.and_then(|finals| finals.entries.get(finalist.rank as usize));
        genome.training = entry.and_then(|entry| entry.training).unwrap_or(genome.training);
        let (outcome, inherited) = (&finalist.outcome, entry.is_some_and(|entry| entry.warm));
        let length = TrainingLength { examples: outcome.costs().examples, inherited, all_rows: false };
        Some(AsTrained { genome, outcome, length })
    }

    /// Whether the search trained a candidate from inherited weights, of a parent or of an earlier study.
    pub(super) fn inherits(&self, candidate: &Candidate) -> bool {
        let heir = usize::try_from(candidate.number).ok().and_then(|index| self.heirs.get(index));
        candidate.proposal.inherit.is_some() || heir.is_some_and(|heir| heir.start.is_some())
    }
}
