//! The block motifs of nets for images, as [`ConvMotif`] describes them.
//!
//! The last normalisation of a residual branch starts with scale zero (Goyal et al., 2017): a new block is the identity
//! where its input keeps its shape.

use super::net::{ConvGenes, Flow, NetBuilder, Segment};
use crate::genome::{ConvBlock, ConvMotif, Norm, bottleneck_width, dense_growth, inception_width};
use crate::graph::GraphError;
use crate::graph::ops::pool::{AveragePool, MaxPool};

/// Builds one block with `width` output channels, which belong to `group`. `stride` is 2 where the block halves the
/// resolution by its own convolution.
pub fn build(
    b: &mut NetBuilder<'_>,
    block: &ConvBlock,
    x: &Flow,
    width: usize,
    group: &str,
    stride: usize,
) -> Result<Flow, GraphError> {
    let site = Site { block, width, group, stride };
    match block.motif {
        ConvMotif::ConvNormAct => site.with_skip(b, x, |b, x| {
            let first = Spatial { stride, groups: site.groups(x.width()), ..Spatial::default() };
            site.spatial(b, "", x, site.out(), first)
        }),
        ConvMotif::ConvAct => site.with_skip(b, x, |b, x| {
            let genes = ConvGenes { groups: site.groups(x.width()), bias: true, ..site.genes(stride) };
            let y = b.conv("conv", x, site.out(), genes)?;
            b.act(&y)
        }),
        ConvMotif::ConvDepthwise => site.with_skip(b, x, |b, x| {
            let y = site.pointwise(b, "expand", x, site.out(), End::Inner)?;
            let deep = Spatial { stride, groups: width, ..Spatial::default() };
            site.spatial(b, "depthwise", &y, site.out(), deep)
        }),
        ConvMotif::Residual => {
            let hidden = Segment::one(b.group("hidden"), width);
            let y = site.spatial(b, "first", x, hidden, Spatial { stride, ..Spatial::default() })?;
            let y = site.spatial(b, "second", &y, site.out(), Spatial { end: End::Branch, ..Spatial::default() })?;
            let sum = site.join(b, x, &y)?;
            b.act(&sum)
        }
        ConvMotif::Bottleneck => {
            let hidden = |b: &NetBuilder<'_>, name: &str| {
                Segment::one(b.group(name), bottleneck_width(width, block.quarters, block.groups))
            };
            let reduced = hidden(b, "reduced");
            let y = site.pointwise(b, "reduce", x, reduced, End::Inner)?;
            let spread = hidden(b, "spread");
            let y =
                site.spatial(b, "spatial", &y, spread, Spatial { stride, groups: block.groups, ..Spatial::default() })?;
            let y = site.pointwise(b, "expand", &y, site.out(), End::Branch)?;
            let sum = site.join(b, x, &y)?;
            b.act(&sum)
        }
        ConvMotif::Inception => site.with_skip(b, x, |b, x| site.inception(b, x)),
        ConvMotif::Dense => site.with_skip(b, x, |b, x| site.dense(b, x)),
    }
}

/// Whether a motif has a convolution that can halve the resolution.
pub fn strides(motif: ConvMotif) -> bool {
    !matches!(motif, ConvMotif::Inception | ConvMotif::Dense)
}

/// A 2×2 maximum with stride 2.
pub fn max_pool(b: &mut NetBuilder<'_>, x: &Flow) -> Result<Flow, GraphError> {
    Ok(x.with(b.graph.apply(MaxPool { kernel: [2; 2], stride: [2; 2], pads: [0; 4] }, &[x.value])?))
}

/// A 2×2 mean with stride 2.
pub fn average_pool(b: &mut NetBuilder<'_>, x: &Flow) -> Result<Flow, GraphError> {
    Ok(x.with(b.graph.apply(AveragePool { kernel: [2; 2], stride: [2; 2], pads: [0; 4] }, &[x.value])?))
}

/// Where a block stands.
struct Site<'a> {
    block: &'a ConvBlock,
    width: usize,
    group: &'a str,
    stride: usize,
}

/// What follows a convolution.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// Normalisation and activation.
    Inner,
    /// Normalisation from scale zero: the end of a residual branch.
    Branch,
    /// Normalisation alone.
    Shortcut,
}

/// A k×k convolution of a block.
struct Spatial {
    stride: usize,
    groups: usize,
    end: End,
}

impl Default for Spatial {
    fn default() -> Self {
        Spatial { stride: 1, groups: 1, end: End::Inner }
    }
}

impl Site<'_> {
    /// The block's output channels.
    fn out(&self) -> Vec<Segment> {
        Segment::one(self.group, self.width)
    }

    fn genes(&self, stride: usize) -> ConvGenes {
        let ConvBlock { kernel, dilation, .. } = *self.block;
        ConvGenes { kernel, stride, dilation, groups: 1, bias: false, zero: false }
    }

    /// The block's groups where they divide both widths, else one.
    fn groups(&self, inputs: usize) -> usize {
        let groups = self.block.groups;
        if inputs.is_multiple_of(groups) && self.width.is_multiple_of(groups) { groups } else { 1 }
    }

    /// A k×k convolution and what follows it.
    fn spatial(
        &self,
        b: &mut NetBuilder<'_>,
        name: &str,
        x: &Flow,
        channels: Vec<Segment>,
        s: Spatial,
    ) -> Result<Flow, GraphError> {
        normalised(b, name, x, channels, ConvGenes { groups: s.groups, ..self.genes(s.stride) }, s.end)
    }

    /// A 1×1 convolution and what follows it.
    fn pointwise(
        &self,
        b: &mut NetBuilder<'_>,
        name: &str,
        x: &Flow,
        channels: Vec<Segment>,
        end: End,
    ) -> Result<Flow, GraphError> {
        normalised(b, name, x, channels, POINT, end)
    }

    /// Adds the block's input, projected where its shape changes.
    fn join(&self, b: &mut NetBuilder<'_>, x: &Flow, y: &Flow) -> Result<Flow, GraphError> {
        if self.stride == 1 && x.width() == self.width {
            return b.sum(y, x);
        }
        let projected = normalised(b, "shortcut", x, self.out(), ConvGenes { stride: self.stride, ..POINT }, End::Shortcut)?;
        b.sum(y, &projected)
    }

    fn with_skip(
        &self,
        b: &mut NetBuilder<'_>,
        x: &Flow,
        body: impl FnOnce(&mut NetBuilder<'_>, &Flow) -> Result<Flow, GraphError>,
    ) -> Result<Flow, GraphError> {
        let y = body(b, x)?;
        if self.block.skip { self.join(b, x, &y) } else { Ok(y) }
    }

    fn inception(&self, b: &mut NetBuilder<'_>, x: &Flow) -> Result<Flow, GraphError> {
        let width = inception_width(self.width, self.block.quarters);
        let mut branches = vec![];
        for branch in 0..self.block.branches {
            let y = b.within(format!("branch{branch}"), |b| {
                let channels = |b: &NetBuilder<'_>, layer: usize| Segment::one(b.group(&layer.to_string()), width);
                let first = channels(b, 0);
                if branch == 3 {
                    let op = AveragePool { kernel: [3; 2], stride: [1; 2], pads: [1; 4] };
                    let pooled = x.with(b.graph.apply(op, &[x.value])?);
                    return self.pointwise(b, "0", &pooled, first, End::Inner);
                }
                let mut y = self.pointwise(b, "0", x, first, End::Inner)?;
                for layer in 1..=branch {
                    let next = channels(b, layer);
                    y = self.spatial(b, &layer.to_string(), &y, next, Spatial::default())?;
                }
                Ok(y)
            })?;
            branches.push(y);
        }
        let joined = b.concat(&branches)?;
        self.pointwise(b, "join", &joined, self.out(), End::Inner)
    }

    fn dense(&self, b: &mut NetBuilder<'_>, x: &Flow) -> Result<Flow, GraphError> {
        let growth = dense_growth(self.width, self.block.quarters);
        let mut parts = vec![x.clone()];
        for layer in 0..self.block.branches {
            let name = format!("layer{layer}");
            let joined = b.concat(&parts)?;
            let channels = Segment::one(b.group(&name), growth);
            parts.push(self.spatial(b, &name, &joined, channels, Spatial::default())?);
        }
        let joined = b.concat(&parts)?;
        self.pointwise(b, "join", &joined, self.out(), End::Inner)
    }
}

/// Genes of a 1×1 convolution.
const POINT: ConvGenes = ConvGenes { kernel: 1, stride: 1, dilation: 1, groups: 1, bias: false, zero: false };

/// A convolution with a bias where no normalisation follows, and what follows it.
fn normalised(
    b: &mut NetBuilder<'_>,
    name: &str,
    x: &Flow,
    channels: Vec<Segment>,
    genes: ConvGenes,
    end: End,
) -> Result<Flow, GraphError> {
    let bare = b.norm_gene() == Norm::None;
    let genes = ConvGenes { bias: bare, zero: bare && end == End::Branch, ..genes };
    let build = |b: &mut NetBuilder<'_>| {
        let y = b.conv("conv", x, channels, genes)?;
        b.norm_act("norm", &y, end == End::Inner, if end == End::Branch { 0.0 } else { 1.0 })
    };
    if name.is_empty() { build(b) } else { b.within(name, build) }
}
