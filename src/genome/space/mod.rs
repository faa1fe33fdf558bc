//! The search space of a task: which genomes there are.

mod ancestors;
mod birth;
mod builder;
mod check;
mod constraint;
mod file;
mod limits;
mod part;
mod range;
mod reduce;
mod repair;
mod seeds;
mod valid;

pub use ancestors::UnfitAncestor;
pub(super) use birth::{conv_block, stage, table_block};
pub use builder::Builder;
pub use check::SpaceError;
pub use constraint::{BadConstraint, Constraint, Cost, Unsatisfiable};
pub use file::{BadSpaceFile, SpaceFile};
pub use limits::{ImageLimits, Limits, ScaleLimits, StemLimits, TableLimits, TrainingLimits};
pub use part::Part;
pub use range::{By, Reals, Span};

use super::{
    ancestor::Ancestor,
    count::{Tally, count},
    domain::{Domain, InputDomain},
    genes::{Genome, Net},
    shape::Size,
};
use serde::{Deserialize, Serialize};

/// The genomes that may be proposed for a task: its extents, the choices for each gene, and caps on the cost.
///
/// [`SearchSpace::preset`] is the space where nobody has chosen; [`SearchSpace::builder`] starts from it, and so does a
/// [`SpaceFile`]. All that births, edits, crossovers, repair and seeds make lies in the space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchSpace {
    /// Extents of the task.
    pub domain: Domain,
    /// Choices for the genes of the net.
    pub limits: Limits,
    /// Choices for the genes of the training.
    pub training: TrainingLimits,
    /// Most trainable parameters.
    pub max_parameters: u64,
    /// Most multiply-accumulates for one row.
    pub max_macs: u64,
    /// ONNX operators that no exported net may have. A record: what leads to them is excluded by
    /// [`crate::express::permitted`], which knows the graphs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forbidden: Vec<String>,
    /// Ancestors that were asked for ([`SearchSpace::with_ancestors`]): they are among the seeds, and they and what their
    /// scale is mutated to lie in the space.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ancestors: Vec<Ancestor>,
    /// Bounds on costs that were asked for ([`SearchSpace::with_constraints`]); the caps above keep them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<Constraint>,
}

impl SearchSpace {
    /// The space for a task, scaled to its rows and to the size of its inputs.
    ///
    /// The caps hold the time of a training pass over all rows within a few minutes on one core, so that no birth is
    /// absurdly slow; they always leave room for the smallest net.
    pub fn preset(domain: &Domain) -> Self {
        let rows = domain.rows.max(1) as u64;
        let (limits, max_parameters, max_macs) = match &domain.input {
            InputDomain::Table { knots, slots } => (
                Limits::Table(TableLimits::preset(knots, slots)),
                (100 * rows).clamp(200_000, 3_000_000),
                (40_000_000_000 / rows).clamp(300_000, 3_000_000),
            ),
            &InputDomain::Image { height, width, .. } => (
                Limits::Image(ImageLimits::preset(Size { height, width })),
                (400 * rows).clamp(300_000, 5_000_000),
                (800_000_000_000 / rows).clamp(2_000_000, 25_000_000).max(1_500 * (height * width) as u64),
            ),
        };
        let mut space = Self {
            domain: domain.clone(),
            limits,
            training: TrainingLimits::preset(domain),
            max_parameters: 0,
            max_macs: 0,
            forbidden: vec![],
            ancestors: vec![],
            constraints: vec![],
        };
        let smallest = space.smallest_cost();
        space.max_parameters = max_parameters.max(4 * smallest.parameters);
        space.max_macs = max_macs.max(4 * smallest.macs);
        space
    }

    /// The smallest net that repairing arrives at, trained in the plainest way.
    fn smallest(&self) -> Genome {
        let capless = Self { max_parameters: 0, max_macs: 0, constraints: vec![], ..self.clone() };
        capless.descended(capless.plain())
    }

    /// What it costs.
    fn smallest_cost(&self) -> Tally {
        count(&self.smallest(), &self.domain).unwrap_or_default()
    }

    /// What the genome may cost at most.
    fn caps(&self, genome: &Genome) -> Tally {
        let caps = Tally { parameters: self.max_parameters, macs: self.max_macs };
        match &genome.net {
            Net::Ancestor(net) => self.ancestor_caps(net, caps),
            Net::Table(_) | Net::Image(_) => caps,
        }
    }
}

#[cfg(test)]
mod tests;
