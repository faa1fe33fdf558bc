//! Nets for images: stem, stages of blocks, global pooling, head.

use super::motifs;
use super::net::{ConvGenes, FeatureInputs, Flow, NetBuilder, Segment};
use crate::data::{InputSpec, Task};
use crate::genome::{Downsample, GlobalPool, ImageNet, Norm, Stage};
use crate::graph::ops::pool::{GlobalAveragePool, GlobalMaxPool};
use crate::graph::{GraphError, ShapeError, Value};

/// Builds the net and returns its output, `[N, outputs]`.
pub fn build(b: &mut NetBuilder<'_>, net: &ImageNet, task: &Task, inputs: FeatureInputs) -> Result<Value, GraphError> {
    let image = inputs.image.ok_or_else(|| b.misfit(ShapeError::new("a net for images on a table")))?;
    let InputSpec::Image { channels, .. } = task.input else {
        return Err(b.misfit(ShapeError::new("a net for images on a table")));
    };
    let image = Flow { value: image, channels: Segment::one("image", channels) };
    let mut x = b.within("stem", |b| {
        let bias = b.norm_gene() == Norm::None;
        let genes =
            ConvGenes { kernel: net.stem.kernel, stride: net.stem.stride, dilation: 1, groups: 1, bias, zero: false };
        let outputs = Segment::one(b.group("out"), net.stem.width);
        let y = b.conv("conv", &image, outputs, genes)?;
        b.norm_act("norm", &y, true, 1.0)
    })?;
    for (i, stage) in net.stages.iter().enumerate() {
        x = b.within(format!("stages.{i}"), |b| build_stage(b, stage, x))?;
    }
    b.within("head", |b| {
        let pooled = match net.head.pool {
            GlobalPool::Average => b.graph.apply(GlobalAveragePool, &[x.value])?,
            GlobalPool::Max => b.graph.apply(GlobalMaxPool, &[x.value])?,
        };
        let mut y = x.with(pooled);
        if net.head.hidden > 0 {
            let hidden = Segment::one(b.group("hidden"), net.head.hidden);
            y = b.linear("hidden", &y, hidden, false)?;
            y = b.act(&y)?;
        }
        y = b.dropout(&y, net.head.dropout)?;
        Ok(b.linear("linear", &y, Segment::one("output", task.outputs()), false)?.value)
    })
}

fn build_stage(b: &mut NetBuilder<'_>, stage: &Stage, mut x: Flow) -> Result<Flow, GraphError> {
    let own = stage.blocks.first().is_some_and(|block| motifs::strides(block.motif));
    let mut stride = 1;
    match stage.down {
        Downsample::None => {}
        Downsample::Stride if own => stride = 2,
        Downsample::MaxPool | Downsample::Stride => x = motifs::max_pool(b, &x)?,
        Downsample::AveragePool => x = motifs::average_pool(b, &x)?,
    }
    let group = b.group("out");
    for (i, block) in stage.blocks.iter().enumerate() {
        let stride = if i == 0 { stride } else { 1 };
        x = b.within(format!("blocks.{i}"), |b| motifs::build(b, block, &x, stage.width, &group, stride))?;
    }
    Ok(x)
}
