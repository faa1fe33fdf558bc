//! The search space of a task: which genomes there are.

mod ancestors;
mod birth;
mod constraint;
mod repair;
mod seeds;
mod valid;

pub use ancestors::UnfitAncestor;
pub(super) use birth::{conv_block, stage, table_block};
pub use constraint::{BadConstraint, Constraint, Cost, Unsatisfiable};

use super::{
    ancestor::Ancestor,
    count::{Tally, count},
    domain::{Domain, InputDomain},
    genes::{Act, Genome, Net},
    shape::Size,
};
use serde::{Deserialize, Serialize};

/// The genomes that may be proposed for a task: its extents, the choices for each gene, and caps on the cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchSpace {
    /// Extents of the task.
    pub domain: Domain,
    /// Choices for the genes of the net.
    pub limits: Limits,
    /// Choices for the rows in a batch, ascending.
    pub batches: Vec<usize>,
    /// Most trainable parameters.
    pub max_parameters: u64,
    /// Most multiply-accumulates for one row.
    pub max_macs: u64,
    /// Ancestors that were asked for ([`SearchSpace::with_ancestors`]): they are among the seeds, and they and what their
    /// scale is mutated to lie in the space.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ancestors: Vec<Ancestor>,
    /// Bounds on costs that were asked for ([`SearchSpace::with_constraints`]); the caps above keep them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<Constraint>,
}

/// Choices for the genes of the net, by kind of input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limits {
    /// For tables.
    Table(TableLimits),
    /// For images.
    Image(ImageLimits),
}

/// Choices for nets for tables. Lists ascend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableLimits {
    /// Widths of blocks.
    pub widths: Vec<usize>,
    /// Most blocks.
    pub max_blocks: usize,
    /// Bins of a piecewise encoding; empty where no feature has bins, so that there is no such encoding.
    pub bins: Vec<usize>,
    /// Frequencies of a periodic encoding; empty where there are no numeric features.
    pub frequencies: Vec<usize>,
    /// Outputs for each numeric feature of those encodings.
    pub encoding_dims: Vec<usize>,
    /// Lengths of embedding vectors; empty where there are no categories.
    pub embedding_dims: Vec<usize>,
}

/// Choices for nets for images. Lists ascend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageLimits {
    /// Channels of the stem and of stages.
    pub widths: Vec<usize>,
    /// Odd kernel extents.
    pub kernels: Vec<usize>,
    /// Strides of the stem.
    pub stem_strides: Vec<usize>,
    /// Most stages.
    pub max_stages: usize,
    /// Most blocks in a stage.
    pub max_blocks: usize,
    /// Dilations.
    pub dilations: Vec<usize>,
    /// Groups.
    pub groups: Vec<usize>,
    /// Most quarters.
    pub max_quarters: usize,
    /// Most layers of a dense block and branches of an inception, 4 at most for the latter.
    pub max_branches: usize,
    /// Widths of the head's hidden layer; 0 for none.
    pub hidden: Vec<usize>,
    /// Largest shift in pixels.
    pub max_shift: usize,
    /// Largest side of a blanked square in pixels.
    pub max_cutout: usize,
}

/// Least and most of the peak learning rate.
pub const LEARNING_RATE: (f32, f32) = (1e-5, 1.0);
/// Most weight decay.
pub const MAX_WEIGHT_DECAY: f32 = 0.3;
/// Shares of the granted training examples, for tables.
pub const LENGTHS: [f32; 4] = [0.125, 0.25, 0.5, 1.0];
/// Most label smoothing.
pub const MAX_LABEL_SMOOTHING: f32 = 0.3;
/// Most dropout.
pub const MAX_DROPOUT: f32 = 0.6;
/// Most momentum of SGD.
pub const MAX_MOMENTUM: f32 = 0.99;
/// Least and most decay of Adam's second moment.
pub const BETA2: (f32, f32) = (0.9, 0.9999);
/// Least and most standard deviation of the frequencies of a periodic encoding.
pub const SIGMA: (f32, f32) = (0.01, 10.0);
/// Every activation.
pub(super) const ACTIVATIONS: [Act; 7] =
    [Act::Relu, Act::LeakyRelu, Act::Elu, Act::Gelu, Act::Silu, Act::Tanh, Act::Sigmoid];

impl SearchSpace {
    /// Choices for the share of the granted training examples.
    pub fn lengths(&self) -> &'static [f32] {
        match self.limits {
            Limits::Table(_) => &LENGTHS,
            // Augmented images are hardly learnt by heart, and what is granted is a few passes.
            Limits::Image(_) => &LENGTHS[LENGTHS.len() - 1..],
        }
    }

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
        let (domain, batches) = (domain.clone(), batches(domain));
        let mut space =
            Self { domain, limits, batches, max_parameters: 0, max_macs: 0, ancestors: vec![], constraints: vec![] };
        let smallest = space.smallest_cost();
        space.max_parameters = max_parameters.max(4 * smallest.parameters);
        space.max_macs = max_macs.max(4 * smallest.macs);
        space
    }

    /// Cost of the smallest net that repairing arrives at.
    fn smallest_cost(&self) -> Tally {
        let capless = Self { max_parameters: 0, max_macs: 0, ..self.clone() };
        let mut genome = capless.plain();
        capless.repair(&mut genome);
        count(&genome, &self.domain).unwrap_or_default()
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

/// Batches such that even a short training takes many steps, and a large table takes few slow small ones.
fn batches(domain: &Domain) -> Vec<usize> {
    let rows = domain.rows.max(1);
    let (low, high) = match domain.input {
        InputDomain::Image { .. } => (32, 256),
        InputDomain::Table { .. } if rows < 20_000 => (32, 512),
        InputDomain::Table { .. } => (64, 1024),
    };
    let steps = [8, 16, 32, 64, 128, 256, 512, 1024];
    let some: Vec<usize> = steps.into_iter().filter(|&batch| batch >= low && batch <= high && batch * 8 <= rows).collect();
    if !some.is_empty() {
        return some;
    }
    let few: Vec<usize> = steps.into_iter().filter(|&batch| batch * 4 <= rows).collect();
    if few.is_empty() { vec![rows.min(8)] } else { few }
}

impl TableLimits {
    fn preset(knots: &[usize], slots: &[usize]) -> Self {
        let most_bins = knots.iter().copied().max().unwrap_or(0).saturating_sub(1);
        let mut bins: Vec<usize> = [4, 8, 12, 16, 24, 32, 48].into_iter().filter(|&bins| bins <= most_bins).collect();
        if bins.is_empty() && most_bins > 0 {
            bins.push(most_bins);
        }
        Self {
            widths: vec![16, 24, 32, 48, 64, 96, 128, 192, 256, 320, 384, 512, 768],
            max_blocks: 8,
            bins,
            frequencies: if knots.is_empty() { vec![] } else { vec![4, 8, 16, 24, 32, 48] },
            encoding_dims: if knots.is_empty() { vec![] } else { vec![2, 4, 6, 8, 12, 16, 24, 32] },
            embedding_dims: if slots.is_empty() { vec![] } else { vec![2, 4, 6, 8, 12, 16, 24, 32] },
        }
    }
}

impl ImageLimits {
    fn preset(size: Size) -> Self {
        let side = size.side();
        Self {
            widths: vec![8, 16, 24, 32, 40, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256],
            kernels: [1, 3, 5, 7].into_iter().filter(|&kernel| kernel == 1 || kernel <= side).collect(),
            stem_strides: if side < 48 { vec![1] } else { vec![1, 2] },
            max_stages: 6,
            max_blocks: 6,
            dilations: vec![1, 2, 3],
            groups: vec![1, 2, 4, 8],
            max_quarters: 8,
            max_branches: 4,
            hidden: vec![0, 32, 64, 128, 256],
            max_shift: side / 8,
            max_cutout: side / 2,
        }
    }
}

#[cfg(test)]
mod tests;
