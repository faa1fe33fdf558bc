//! The genes. Serialised names are stable: journals and exported models carry them.

use super::ancestor::AncestorNet;
use serde::{Deserialize, Serialize};

/// A net and how it is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Genome {
    /// Architecture.
    pub net: Net,
    /// Training.
    pub training: Training,
}

/// Architecture, by kind of input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Net {
    /// For tables.
    Table(TableNet),
    /// For images.
    Image(ImageNet),
    /// For images, after a published architecture.
    Ancestor(AncestorNet),
}

/// Net for tables: encoded features, a stack of blocks, a linear head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableNet {
    /// How numbers enter.
    pub numeric: NumericEncoding,
    /// How categories enter.
    pub categorical: CategoricalEncoding,
    /// Normalisation in the blocks.
    pub norm: Norm,
    /// Activation in the blocks.
    pub activation: Act,
    /// Blocks from input to head; at least one.
    pub blocks: Vec<TableBlock>,
}

/// How numeric features enter a net.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumericEncoding {
    /// As they are.
    Plain,
    /// Piecewise-linear encoding over quantile bins, then a linear layer and ReLU for each feature
    /// (Gorishniy et al., 2022, "PLE").
    Piecewise {
        /// Bins for each feature, at most; a feature with fewer knots has fewer.
        bins: usize,
        /// Outputs for each feature.
        dim: usize,
    },
    /// Sines and cosines of learned frequencies, then a linear layer and ReLU for each feature (ibid., "PLR").
    Periodic {
        /// Frequencies for each feature.
        frequencies: usize,
        /// Standard deviation of the frequencies at initialisation.
        sigma: f32,
        /// Outputs for each feature.
        dim: usize,
    },
}

/// How categorical features enter a net.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CategoricalEncoding {
    /// One input for each slot.
    OneHot,
    /// A learned vector for each slot.
    Embedding {
        /// Length of the vectors.
        dim: usize,
    },
}

/// A block of a net for tables.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TableBlock {
    /// Structure.
    pub motif: TableMotif,
    /// Outputs for [`TableMotif::Linear`] and [`TableMotif::Gated`]; for [`TableMotif::Residual`] the hidden width.
    pub width: usize,
    /// Dropout rate on the block's (hidden) activations, below 1.
    pub dropout: f32,
}

/// Structure of a block for tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableMotif {
    /// linear → norm → activation → dropout.
    Linear,
    /// x + linear(dropout(activation(linear(norm(x))))); keeps the width of its input.
    Residual,
    /// norm → (linear · sigmoid(linear)) → dropout, a gated linear unit (Dauphin et al., 2017).
    Gated,
}

/// Net for images: stem, stages of blocks, global pooling, head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageNet {
    /// First convolution.
    pub stem: Stem,
    /// Stages from large images to small; at least one.
    pub stages: Vec<Stage>,
    /// Normalisation after convolutions.
    pub norm: Norm,
    /// Activation in the blocks.
    pub activation: Act,
    /// What follows the last stage.
    pub head: Head,
}

/// The first convolution with its normalisation and activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stem {
    /// Output channels.
    pub width: usize,
    /// Odd kernel extent.
    pub kernel: usize,
    /// 1 or 2.
    pub stride: usize,
}

/// Blocks at one resolution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// How the resolution is halved before the blocks.
    pub down: Downsample,
    /// Channels of the stage.
    pub width: usize,
    /// Blocks; at least one. The first changes the channels from the stage before.
    pub blocks: Vec<ConvBlock>,
}

/// How a stage halves its resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Downsample {
    /// Not at all.
    None,
    /// 2×2 maximum.
    MaxPool,
    /// 2×2 mean.
    AveragePool,
    /// The first convolution of the first block has stride 2.
    Stride,
}

/// A block of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ConvBlock {
    /// Structure.
    pub motif: ConvMotif,
    /// Odd kernel extent of its spatial convolutions.
    pub kernel: usize,
    /// Dilation of its spatial convolutions.
    pub dilation: usize,
    /// Groups of its k×k convolutions; divides the channels. 1 for motifs that have none.
    pub groups: usize,
    /// Hidden channels as a multiple of the stage's width in quarters: 4 is the width itself. Used by
    /// [`ConvMotif::Bottleneck`]; growth of each layer for [`ConvMotif::Dense`]; width of a branch for
    /// [`ConvMotif::Inception`]. 4 for motifs that have none.
    pub quarters: usize,
    /// Layers of [`ConvMotif::Dense`], branches of [`ConvMotif::Inception`]; 1 for motifs that have none.
    pub branches: usize,
    /// Whether the block's input is added to its output (projected where the shape changes). Always true for
    /// [`ConvMotif::Residual`] and [`ConvMotif::Bottleneck`].
    pub skip: bool,
}

/// Structure of a block for images. "norm" is the net's [`Norm`], "act" its activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConvMotif {
    /// k×k convolution → norm → act.
    ConvNormAct,
    /// k×k convolution with bias → act.
    ConvAct,
    /// 1×1 convolution → norm → act → k×k depthwise → norm → act.
    ConvDepthwise,
    /// k×k conv → norm → act → k×k conv → norm, plus the input, → act (He et al., 2016).
    Residual,
    /// 1×1 → norm → act → k×k (grouped) → norm → act → 1×1 → norm, plus the input, → act (ibid.).
    Bottleneck,
    /// Branches side by side, concatenated, then 1×1 → norm → act: branch 0 is 1×1, branch 1 is 1×1 → k×k, branch 2 is
    /// 1×1 → k×k → k×k, branch 3 is 3×3 average pool → 1×1; each convolution with norm and act (Szegedy et al., 2015).
    Inception,
    /// Layers k×k → norm → act, each reading the concatenation of all before, then 1×1 → norm → act to the stage's
    /// width (Huang et al., 2017).
    Dense,
}

/// What follows the last stage of a net for images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// Pooling over the whole image.
    pub pool: GlobalPool,
    /// Width of a hidden linear layer with activation; 0 for none.
    pub hidden: usize,
    /// Dropout rate before the last linear layer, below 1.
    pub dropout: f32,
}

/// Pooling over the whole image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GlobalPool {
    /// Mean.
    Average,
    /// Maximum.
    Max,
}

/// Normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// None.
    None,
    /// Batch normalisation (Ioffe and Szegedy, 2015).
    Batch,
    /// Layer normalisation over all axes but the first (Ba et al., 2016).
    Layer,
}

/// Activation function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// ReLU.
    Relu,
    /// Leaky ReLU with slope 0.01.
    LeakyRelu,
    /// ELU.
    Elu,
    /// GELU.
    Gelu,
    /// SiLU.
    Silu,
    /// tanh.
    Tanh,
    /// Logistic sigmoid.
    Sigmoid,
}

/// How a net is trained.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Optimizer.
    pub optimizer: Optimizer,
    /// Peak learning rate.
    pub learning_rate: f32,
    /// Course of the learning rate over the training.
    pub schedule: Schedule,
    /// Weight decay: decoupled for AdamW, added to the gradient otherwise. Biases and normalisation are exempt.
    pub weight_decay: f32,
    /// Share of the target distribution that is spread over all classes; 0 for regression.
    pub label_smoothing: f32,
    /// Rows in a batch.
    pub batch: usize,
    /// Distribution of the weights at the start.
    pub initialisation: Initialisation,
    /// Loss; cross-entropy for classification.
    pub loss: Loss,
    /// Augmentation of images; none for tables.
    pub augmentation: Augmentation,
    /// Share of the training examples that a study grants: a net that learns a table by heart in a few passes is better
    /// off when its learning rate falls before that. Always 1 for images, unless their space says otherwise.
    #[serde(default = "whole", skip_serializing_if = "is_whole")]
    pub length: f32,
}

fn whole() -> f32 {
    1.0
}

fn is_whole(length: &f32) -> bool {
    *length == 1.0
}

/// Optimizer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// Stochastic gradient descent with Nesterov momentum (Sutskever et al., 2013).
    Sgd {
        /// Momentum.
        momentum: f32,
    },
    /// Adam (Kingma and Ba, 2015).
    Adam {
        /// Decay of the second moment.
        beta2: f32,
    },
    /// AdamW (Loshchilov and Hutter, 2019).
    AdamW {
        /// Decay of the second moment.
        beta2: f32,
    },
}

/// Course of the learning rate, as a multiple of the peak over the share of the training done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Constant.
    Constant,
    /// Half a cosine from the peak to zero (Loshchilov and Hutter, 2017).
    Cosine,
    /// Linear warm-up over the first 5 %, then half a cosine to zero.
    WarmupCosine,
    /// Linear from 1/25 to the peak over the first 30 %, then half a cosine to zero (Smith and Topin, 2018).
    OneCycle,
}

/// Distribution of the weights at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initialisation {
    /// Normal with variance 2/fan-in (He et al., 2015).
    HeNormal,
    /// Uniform with variance 2/(fan-in + fan-out) (Glorot and Bengio, 2010).
    GlorotUniform,
    /// Normal with variance 1/fan-in (LeCun et al., 1998).
    LecunNormal,
}

/// Loss of a regression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Softmax cross-entropy, for classification.
    CrossEntropy,
    /// Mean squared error.
    Mse,
    /// Huber's loss at δ = 1 (in standard deviations of the target).
    Huber,
}

/// Augmentation of images, drawn anew for each image and epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub struct Augmentation {
    /// Mirror left and right with probability ½.
    pub flip: bool,
    /// Shift by up to this many pixels on each axis, filled by zeros after standardisation (a padded random crop).
    pub shift: usize,
    /// Side of a square that is blanked at a random place (DeVries and Taylor, 2017); 0 for none.
    pub cutout: usize,
}
