//! Layers of an ancestor: what each does, and what it costs.

use crate::genome::shape::Size;
use std::fmt;

/// What flows between layers: a map of `channels` over the positions of `size`, or a vector where that is 1×1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Channels of a map, elements of a vector.
    pub channels: usize,
    /// Resolution; 1×1 for vectors.
    pub size: Size,
}

impl Extent {
    /// Number of elements.
    pub fn elements(self) -> usize {
        self.channels * self.size.area()
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Size { height, width } = self.size;
        if self.size.area() == 1 {
            write!(f, "{}", self.channels)
        } else {
            write!(f, "{} × {height} × {width}", self.channels)
        }
    }
}

/// Activation functions of the ancestors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// max(x, 0).
    Relu,
    /// min(max(x, 0), 6) (Sandler et al., 2018).
    Relu6,
    /// x·σ(x) (Ramachandran et al., 2017).
    Swish,
    /// σ(x) = 1/(1 + e⁻ˣ).
    Sigmoid,
}

/// A convolution. Padding is the same at both ends of an axis, also at stride 2, where Keras pads an even extent at its
/// far end only: the outputs are as many, read half a pixel further on. Asymmetric pads leave the CUDA provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv {
    /// Output channels.
    pub outputs: usize,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Stride on both axes.
    pub stride: usize,
    /// Zeros added above and below, and left and right.
    pub pads: [usize; 2],
    /// Groups: 1, or the number of channels (depthwise).
    pub groups: usize,
    /// Whether a bias is added.
    pub bias: bool,
}

impl Conv {
    /// A convolution with a `kernel`×`kernel` kernel that keeps the resolution, without bias.
    pub(super) fn square(outputs: usize, kernel: usize) -> Self {
        Conv::with_kernel(outputs, [kernel; 2])
    }

    /// A convolution that keeps the resolution, without bias. Kernel extents are odd.
    pub(super) fn with_kernel(outputs: usize, kernel: [usize; 2]) -> Self {
        Conv { outputs, kernel, stride: 1, pads: kernel.map(|extent| extent / 2), groups: 1, bias: false }
    }

    /// Every channel on its own, without bias.
    pub(super) fn depthwise(channels: usize, kernel: usize) -> Self {
        Conv { groups: channels, ..Conv::square(channels, kernel) }
    }

    /// With this stride.
    pub(super) fn strided(self, stride: usize) -> Self {
        Conv { stride, ..self }
    }

    /// Without padding.
    pub(super) fn valid(self) -> Self {
        Conv { pads: [0; 2], ..self }
    }

    /// With a bias.
    pub(super) fn biased(self) -> Self {
        Conv { bias: true, ..self }
    }
}

/// Windows of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// Side of the window.
    pub kernel: usize,
    /// Stride on both axes.
    pub stride: usize,
    /// Rows and columns added at each end, which never count.
    pub pad: usize,
}

/// A batch normalisation and the activation after it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchNorm {
    /// Whether there is a learned scale beside the shift.
    pub scale: bool,
    /// Added to variances before the root is taken.
    pub epsilon: f32,
    /// What is applied to the result.
    pub function: Option<Function>,
}

/// What a layer does. Those without a number of inputs in their words read one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LayerKind {
    /// The standardised image.
    Input,
    /// Bilinear interpolation to the layer's output size.
    Resize,
    /// (x − mean)/√variance with statistics that are not trained; a count of what they were taken from stands beside them.
    Normalization,
    /// Convolution.
    Conv(Conv),
    /// Batch normalisation.
    BatchNorm(BatchNorm),
    /// Activation.
    Activation(Function),
    /// Maximum of each window.
    MaxPool(Pool),
    /// Mean of each window, padding not counted.
    AveragePool(Pool),
    /// Mean over the map.
    GlobalAveragePool,
    /// The map as a vector, channel by channel.
    Flatten,
    /// Fully connected layer with bias; its output extent says how wide.
    Dense,
    /// Dropout in training.
    Dropout,
    /// Sum of two.
    Add,
    /// Each channel of the first, a map, times an element of the second, a vector.
    Multiply,
    /// Channels of all inputs one after the other.
    Concat,
}

impl LayerKind {
    /// Name of the kind, as Keras calls it where it has one.
    pub fn name(&self) -> &'static str {
        match self {
            LayerKind::Input => "Input",
            LayerKind::Resize => "Resize",
            LayerKind::Normalization => "Normalization",
            LayerKind::Conv(conv) if conv.groups > 1 => "DepthwiseConv",
            LayerKind::Conv(_) => "Conv",
            LayerKind::BatchNorm(_) => "BatchNorm",
            LayerKind::Activation(_) => "Activation",
            LayerKind::MaxPool(_) => "MaxPool",
            LayerKind::AveragePool(_) => "AveragePool",
            LayerKind::GlobalAveragePool => "GlobalAveragePool",
            LayerKind::Flatten => "Flatten",
            LayerKind::Dense => "Dense",
            LayerKind::Dropout => "Dropout",
            LayerKind::Add => "Add",
            LayerKind::Multiply => "Multiply",
            LayerKind::Concat => "Concat",
        }
    }
}

/// A layer in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Name, such as `stages.0.blocks.1.expand.conv`; unique in the net.
    pub name: String,
    /// What it does.
    pub kind: LayerKind,
    /// Layers that it reads, all before it.
    pub inputs: Vec<usize>,
    /// What it gives.
    pub output: Extent,
    /// Trainable parameters.
    pub trainable: u64,
    /// Parameters that are not trained: moving statistics.
    pub fixed: u64,
    /// Multiply-accumulates for one image; those of convolutions and dense layers.
    pub macs: u64,
}

impl Layer {
    /// A layer with what it costs; `input` is the extent of the first that it reads.
    pub(super) fn new(name: String, kind: LayerKind, inputs: Vec<usize>, input: Extent, output: Extent) -> Self {
        let (read, given) = (input.channels as u64, output.channels as u64);
        let (trainable, fixed, macs) = match kind {
            LayerKind::Conv(conv) => {
                let area = (conv.kernel[0] * conv.kernel[1]) as u64;
                let weights = area * (read / conv.groups as u64) * given;
                (weights + if conv.bias { given } else { 0 }, 0, weights * output.size.area() as u64)
            }
            LayerKind::Dense => (read * given + given, 0, read * given),
            LayerKind::BatchNorm(norm) => (given * (1 + u64::from(norm.scale)), 2 * given, 0),
            LayerKind::Normalization => (0, 2 * given + 1, 0),
            _ => (0, 0, 0),
        };
        Layer { name, kind, inputs, output, trainable, fixed, macs }
    }

    /// All parameters.
    pub fn parameters(&self) -> u64 {
        self.trainable + self.fixed
    }
}
