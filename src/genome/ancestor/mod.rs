//! Named ancestors: published architectures as genomes, which compound scaling makes deeper, wider or finer.
//!
//! Each family describes its layers once ([`Architecture`]). Parameters and multiply-accumulates are counted from that
//! description and [`crate::express`] builds its graph from it, so that the two cannot disagree. Adding an ancestor: an
//! [`Entry`] in the file of its family and a line in [`ALL`].

mod builder;
mod densenet;
mod efficientnet;
mod inception;
mod layer;
mod mobilenet;
mod name;
mod resnet;
mod vgg;

pub use layer::{BatchNorm, Conv, Extent, Function, Layer, LayerKind, Pool};
pub use name::{Ancestor, UnknownAncestor, find};

use super::shape::Size;
use builder::{Builder, Tensor};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Every ancestor.
pub static ALL: &[&Entry] = &[
    &vgg::VGG16,
    &vgg::VGG19,
    &resnet::RESNET50,
    &inception::INCEPTION_V3,
    &densenet::DENSENET121,
    &mobilenet::MOBILENET_V2,
    &efficientnet::EFFICIENTNET_B0,
];

/// A published architecture.
pub struct Entry {
    /// Name on the command line and in genomes.
    pub name: &'static str,
    /// What it is and where it was published, in a line.
    pub doc: &'static str,
    /// Side in pixels of the square images that it was published for.
    pub side: usize,
    /// Blocks of each stage as published; the depth multiplies them.
    pub repeats: &'static [usize],
    /// Dropout rate before the last layer as published.
    pub dropout: f32,
    /// Peak learning rate of AdamW that a training from scratch starts the search with.
    pub learning_rate: f32,
    /// Adds the layers from the image to what the last dense layer reads.
    build: fn(&mut Builder<'_>, Tensor) -> Result<Tensor, Misfit>,
}

/// A factor of 1, in eighths: the published width, depth or resolution.
pub const PUBLISHED: usize = 8;

/// Choices for the factors of width, depth and resolution, in eighths, ascending.
pub const SCALES: [usize; 13] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16];

/// An ancestor at a scale (compound scaling: Tan and Le, 2019). Factors are eighths: 8 is as published.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AncestorNet {
    /// Which one.
    pub name: Ancestor,
    /// Eighths of the published channels, which are rounded to multiples of 8 ([`rounded_channels`]).
    pub width: usize,
    /// Eighths of the published blocks of each stage, rounded up.
    pub depth: usize,
    /// Eighths of the task's height and width, to which images are interpolated.
    pub resolution: usize,
    /// Dropout rate before the last layer, below 1.
    pub dropout: f32,
}

/// The published number of channels times `width` eighths, to the nearest multiple of 8 but not below nine tenths of the
/// product, at least 8 (Sandler et al., 2018).
pub fn rounded_channels(published: usize, width: usize) -> usize {
    // All in eighths of a channel.
    let wanted = published.saturating_mul(width);
    let rounded = (wanted.saturating_add(32) / 64 * 8).max(8);
    if 80 * rounded < wanted.saturating_mul(9) { rounded + 8 } else { rounded }
}

impl AncestorNet {
    /// The ancestor as published.
    pub fn published(name: Ancestor) -> Self {
        AncestorNet { name, width: PUBLISHED, depth: PUBLISHED, resolution: PUBLISHED, dropout: name.entry().dropout }
    }

    /// Blocks of each stage.
    pub fn repeats(&self) -> Vec<usize> {
        let scaled = |&blocks: &usize| blocks.saturating_mul(self.depth).div_ceil(PUBLISHED).max(1);
        self.name.entry().repeats.iter().map(scaled).collect()
    }

    /// The depth nearest to the published one that gives each stage as many blocks.
    pub(super) fn plain_depth(&self) -> usize {
        let same = |depth: &usize| AncestorNet { depth: *depth, ..*self }.repeats() == self.repeats();
        let depths = SCALES.into_iter().chain([self.depth]);
        depths.filter(same).min_by_key(|depth| (depth.abs_diff(PUBLISHED), *depth)).unwrap_or(self.depth)
    }

    /// The layers for images of `size` with so many channels, with `outputs` logits or values (no softmax).
    ///
    /// # Errors
    /// Where the images are too small for the ancestor to halve them as often as it does.
    pub fn architecture(&self, size: Size, channels: usize, outputs: usize) -> Result<Architecture, Misfit> {
        let (mut builder, image) = Builder::new(self, Extent { channels, size });
        let features = (self.name.entry().build)(&mut builder, image)?;
        let features = builder.dropout("dropout", features);
        builder.dense("predictions", features, outputs);
        Ok(Architecture { layers: builder.finish() })
    }
}

/// An ancestor's layers in an order in which they can run; the first is the image, the last the net's output.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    /// The layers.
    pub layers: Vec<Layer>,
}

impl Architecture {
    /// Trainable parameters.
    pub fn trainable(&self) -> u64 {
        self.layers.iter().map(|layer| layer.trainable).sum()
    }

    /// All parameters, moving statistics included, as they are published.
    pub fn parameters(&self) -> u64 {
        self.layers.iter().map(Layer::parameters).sum()
    }

    /// Multiply-accumulates of convolutions and dense layers for one image.
    pub fn macs(&self) -> u64 {
        self.layers.iter().map(|layer| layer.macs).sum()
    }
}

/// An ancestor that images are too small for.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{net} does not fit images of {}×{}: its layer {layer} is left with {}×{} pixels{}",
    .input.height, .input.width, .left.height, .left.width, least(net))]
pub struct Misfit {
    net: AncestorNet,
    input: Size,
    layer: String,
    left: Size,
}

impl Misfit {
    fn new(net: AncestorNet, input: Size, layer: String, left: Size) -> Self {
        Misfit { net, input, layer, left }
    }
}

/// How large images have to be at least, in words.
fn least(net: &AncestorNet) -> String {
    let fits = |&side: &usize| net.architecture(Size { height: side, width: side }, 3, 1).is_ok();
    match (1..=1024).find(fits) {
        Some(side) => format!("; it needs {side}×{side} at least"),
        None => String::new(),
    }
}

impl fmt::Display for AncestorNet {
    /// The name, with the factors that are not as published.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        for (gene, value) in [("width", self.width), ("depth", self.depth), ("resolution", self.resolution)] {
            if value != PUBLISHED {
                write!(f, " {gene} {value}/{PUBLISHED}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
