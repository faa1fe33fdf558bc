//! What each gene may be, by kind of net, and what it may be for a task where nobody has chosen.

use super::range::{By, Reals, Span};
use crate::genome::{
    ancestor::SCALES,
    choice::{CategoricalKind, Choice, NumericKind, OptimizerKind},
    domain::{Domain, InputDomain},
    genes::{Act, ConvMotif, Downsample, GlobalPool, Initialisation, Loss, Norm, Schedule, TableMotif},
    shape::Size,
};
use serde::{Deserialize, Serialize};

/// Most dropout.
const MAX_DROPOUT: f32 = 0.6;
/// Shares of the granted training examples, for tables.
const LENGTHS: [f32; 4] = [0.125, 0.25, 0.5, 1.0];

/// Choices for the genes of the net, by kind of input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "a search has one of them")]
pub enum Limits {
    /// For tables.
    Table(TableLimits),
    /// For images.
    Image(ImageLimits),
}

/// Choices for how nets are trained. Lists of numbers ascend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingLimits {
    /// Optimizers.
    pub optimizers: Vec<OptimizerKind>,
    /// Peak learning rate, by optimizer.
    pub learning_rate: By<OptimizerKind, Reals>,
    /// Weight decay, by optimizer.
    pub weight_decay: By<OptimizerKind, Reals>,
    /// Momentum of SGD.
    pub momentum: Reals,
    /// Decay of the second moment of Adam and AdamW.
    pub beta2: Reals,
    /// Courses of the learning rate.
    pub schedules: Vec<Schedule>,
    /// Rows in a batch.
    pub batches: Vec<usize>,
    /// Distributions of the weights at the start.
    pub initialisations: Vec<Initialisation>,
    /// Label smoothing; 0 for regressions.
    pub label_smoothing: Reals,
    /// Losses; cross-entropy for classifications, others for regressions.
    pub losses: Vec<Loss>,
    /// Shares of the training examples that a study grants.
    pub lengths: Reals,
    /// Whether images are mirrored; never for tables.
    pub flips: Vec<bool>,
    /// How far images are shifted, in pixels; 0 for tables.
    pub shift: Span,
    /// Side of the blanked square, in pixels; 0 for tables.
    pub cutout: Span,
}

/// Choices for nets for tables. Lists of numbers ascend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableLimits {
    /// Number of blocks.
    pub blocks: Span,
    /// Normalisations.
    pub norms: Vec<Norm>,
    /// Activations.
    pub activations: Vec<Act>,
    /// Motifs of blocks.
    pub motifs: Vec<TableMotif>,
    /// Widths of blocks, by motif.
    pub widths: By<TableMotif, Vec<usize>>,
    /// Dropout of blocks, by motif.
    pub dropout: By<TableMotif, Reals>,
    /// Encodings of numbers; plain alone where there are no numeric features.
    pub numeric: Vec<NumericKind>,
    /// Bins of a piecewise encoding; empty where no feature has bins, so that there is no such encoding.
    pub bins: Vec<usize>,
    /// Frequencies of a periodic encoding; empty where there are no numeric features.
    pub frequencies: Vec<usize>,
    /// Standard deviation of those frequencies at initialisation.
    pub sigma: Reals,
    /// Outputs for each numeric feature of both encodings.
    pub encoding_dims: Vec<usize>,
    /// Encodings of categories; one-hot alone where there are none.
    pub categorical: Vec<CategoricalKind>,
    /// Lengths of embedding vectors; empty where there are no categories.
    pub embedding_dims: Vec<usize>,
}

/// Choices for nets for images. Lists of numbers ascend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageLimits {
    /// Normalisations.
    pub norms: Vec<Norm>,
    /// Activations.
    pub activations: Vec<Act>,
    /// The first convolution.
    pub stem: StemLimits,
    /// Number of stages.
    pub stages: Span,
    /// Number of blocks in a stage.
    pub blocks: Span,
    /// Channels of stages.
    pub widths: Vec<usize>,
    /// How stages halve the resolution.
    pub downs: Vec<Downsample>,
    /// Motifs of blocks.
    pub motifs: Vec<ConvMotif>,
    /// Odd kernel extents, by motif.
    pub kernels: By<ConvMotif, Vec<usize>>,
    /// Dilations, by motif.
    pub dilations: By<ConvMotif, Vec<usize>>,
    /// Groups, of motifs that have some.
    pub groups: By<ConvMotif, Vec<usize>>,
    /// Quarters, of motifs that have some.
    pub quarters: By<ConvMotif, Vec<usize>>,
    /// Layers of a dense block and branches of an inception, 4 at most for the latter.
    pub branches: By<ConvMotif, Vec<usize>>,
    /// Whether the input of a block is added to its output, for motifs without a skip of their own.
    pub skips: By<ConvMotif, Vec<bool>>,
    /// Poolings over the whole image.
    pub pools: Vec<GlobalPool>,
    /// Widths of the head's hidden layer; 0 for none.
    pub hidden: Vec<usize>,
    /// Dropout before the last layer.
    pub dropout: Reals,
    /// Factors and dropout of named ancestors.
    pub ancestors: ScaleLimits,
}

/// Choices for the first convolution of nets for images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StemLimits {
    /// Output channels.
    pub widths: Vec<usize>,
    /// Odd kernel extents.
    pub kernels: Vec<usize>,
    /// Strides: 1, 2 or both.
    pub strides: Vec<usize>,
}

/// Choices for the scale of ancestors, in eighths of the published one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScaleLimits {
    /// Factors of the channels.
    pub widths: Vec<usize>,
    /// Factors of the blocks of each stage.
    pub depths: Vec<usize>,
    /// Factors of the resolution.
    pub resolutions: Vec<usize>,
    /// Dropout before the last layer.
    pub dropout: Reals,
}

impl TrainingLimits {
    pub(super) fn preset(domain: &Domain) -> Self {
        let side = match domain.input {
            InputDomain::Image { height, width, .. } => Some(height.min(width)),
            InputDomain::Table { .. } => None,
        };
        let losses = if domain.classification { vec![Loss::CrossEntropy] } else { vec![Loss::Mse, Loss::Huber] };
        Self {
            optimizers: OptimizerKind::ALL.to_vec(),
            learning_rate: By::all(Reals::log(1e-5, 1.0)),
            weight_decay: By::all(Reals::range(0.0, 0.3)),
            momentum: Reals::range(0.0, 0.99),
            beta2: Reals::range(0.9, 0.9999),
            schedules: Schedule::ALL.to_vec(),
            batches: batches(domain),
            initialisations: Initialisation::ALL.to_vec(),
            label_smoothing: if domain.classification { Reals::range(0.0, 0.3) } else { Reals::only(0.0) },
            losses,
            // Augmented images are hardly learnt by heart, and what is granted is a few passes.
            lengths: if side.is_some() { Reals::only(1.0) } else { Reals::List(LENGTHS.to_vec()) },
            flips: if side.is_some() { vec![false, true] } else { vec![false] },
            shift: Span::new(0, side.map_or(0, |side| side / 8)),
            cutout: Span::new(0, side.map_or(0, |side| side / 2)),
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
    pub(super) fn preset(knots: &[usize], slots: &[usize]) -> Self {
        let most_bins = most_bins(knots);
        let mut bins: Vec<usize> = [4, 8, 12, 16, 24, 32, 48].into_iter().filter(|&bins| bins <= most_bins).collect();
        if bins.is_empty() && most_bins > 0 {
            bins.push(most_bins);
        }
        let (numbers, categories) = (!knots.is_empty(), !slots.is_empty());
        let mut numeric = NumericKind::ALL.to_vec();
        numeric.retain(|kind| match kind {
            NumericKind::Plain => true,
            NumericKind::Piecewise => !bins.is_empty(),
            NumericKind::Periodic => numbers,
        });
        let dims = |there: bool| if there { vec![2, 4, 6, 8, 12, 16, 24, 32] } else { vec![] };
        Self {
            blocks: Span::new(1, 8),
            norms: Norm::ALL.to_vec(),
            activations: Act::ALL.to_vec(),
            motifs: TableMotif::ALL.to_vec(),
            widths: By::all(vec![16, 24, 32, 48, 64, 96, 128, 192, 256, 320, 384, 512, 768]),
            dropout: By::all(Reals::range(0.0, MAX_DROPOUT)),
            numeric,
            bins,
            frequencies: if numbers { vec![4, 8, 16, 24, 32, 48] } else { vec![] },
            sigma: Reals::log(0.01, 10.0),
            encoding_dims: dims(numbers),
            categorical: if categories { CategoricalKind::ALL.to_vec() } else { vec![CategoricalKind::OneHot] },
            embedding_dims: dims(categories),
        }
    }
}

/// Most bins that any feature has.
pub(super) fn most_bins(knots: &[usize]) -> usize {
    knots.iter().copied().max().unwrap_or(0).saturating_sub(1)
}

impl ImageLimits {
    pub(super) fn preset(size: Size) -> Self {
        let side = size.side();
        let widths = vec![8, 16, 24, 32, 40, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256];
        let kernels: Vec<usize> = [1, 3, 5, 7].into_iter().filter(|&kernel| kernel == 1 || kernel <= side).collect();
        Self {
            norms: Norm::ALL.to_vec(),
            activations: Act::ALL.to_vec(),
            stem: StemLimits {
                widths: widths.clone(),
                kernels: kernels.clone(),
                strides: if side < 48 { vec![1] } else { vec![1, 2] },
            },
            stages: Span::new(1, 6),
            blocks: Span::new(1, 6),
            widths,
            downs: Downsample::ALL.to_vec(),
            motifs: ConvMotif::ALL.to_vec(),
            kernels: By::all(kernels),
            dilations: By::all(vec![1, 2, 3]),
            groups: By::all(vec![1, 2, 4, 8]),
            quarters: By::all((1..=8).collect()),
            branches: By::all((1..=4).collect()),
            skips: By::all(vec![false, true]),
            pools: GlobalPool::ALL.to_vec(),
            hidden: vec![0, 32, 64, 128, 256],
            dropout: Reals::range(0.0, MAX_DROPOUT),
            ancestors: ScaleLimits {
                widths: SCALES.to_vec(),
                depths: SCALES.to_vec(),
                resolutions: SCALES.to_vec(),
                dropout: Reals::range(0.0, MAX_DROPOUT),
            },
        }
    }
}
