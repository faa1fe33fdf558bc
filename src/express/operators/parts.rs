//! The operators of single parts of a net.

use super::{exported, zeros};
use crate::data::{InputSpec, Task};
use crate::express::net::{ConvGenes, Flow, NetBuilder, Segment, Source};
use crate::express::{feature_inputs, motifs, table};
use crate::genome::{
    Act, CategoricalEncoding, CategoricalKind, ConvBlock, ConvMotif, Downsample, GlobalPool, Norm, NumericEncoding,
    NumericKind, Part, TableBlock,
};
use crate::graph::ops::pool::{GlobalAveragePool, GlobalMaxPool};
use crate::graph::ops::resize::Resize;
use crate::graph::{DType, Dim, Graph, GraphError, Shape, TensorType, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Channels of what a part reads.
const CHANNELS: usize = 8;
/// Side of the map that a part of a net for images reads.
const SIDE: usize = 8;

type Operators = BTreeSet<&'static str>;

/// The operators that every net of the task has, whatever its genes.
pub(super) fn everywhere(task: &Task) -> Result<Operators, GraphError> {
    alone(Norm::None, None, |b| match task.input {
        InputSpec::Table { .. } => {
            let inputs = feature_inputs(b.graph, task, Dim::Batch);
            let x = wire(b, 2);
            let sides = usize::from(inputs.numeric.is_some()) + usize::from(inputs.codes.is_some());
            let joined = b.concat(&vec![x; sides])?;
            b.linear("head", &joined, Segment::one("out", CHANNELS), false)
        }
        InputSpec::Image { .. } => {
            let (map, vector) = (wire(b, 4), wire(b, 2));
            let stem = point(b, &map, false)?;
            b.graph.output("stem", stem.value);
            b.linear("head", &vector, Segment::one("out", CHANNELS), false)
        }
    })
}

/// The operators that a part brings into a net of the task.
pub(super) fn of(part: Part, task: &Task) -> Result<Operators, GraphError> {
    let rank = if matches!(task.input, InputSpec::Image { .. }) { 4 } else { 2 };
    match part {
        Part::Activation(act) => alone(Norm::None, Some(act), |b| {
            let x = wire(b, rank);
            b.act(&x)
        }),
        Part::Norm(norm) => alone(norm, None, |b| {
            let x = wire(b, rank);
            // Behind a convolution a normalisation is folded into it.
            let x = if rank == 4 { point(b, &x, norm == Norm::None)? } else { x };
            b.norm_act("norm", &x, false, 1.0)
        }),
        Part::TableMotif(motif) => alone(Norm::None, None, |b| {
            let x = wire(b, rank);
            table::table_block(b, &TableBlock { motif, width: CHANNELS, dropout: 0.0 }, &x)
        }),
        Part::Numeric(kind) => numbers(kind, task),
        Part::Categorical(kind) => categories(kind, task),
        Part::ConvMotif(motif) => block(ConvBlock { motif, ..PLAIN }),
        Part::Branches(motif, branches) => block(ConvBlock { motif, branches, ..PLAIN }),
        Part::Skip => block(ConvBlock { skip: true, ..PLAIN }),
        Part::Down(Downsample::MaxPool) => alone(Norm::None, None, |b| {
            let x = wire(b, 4);
            motifs::max_pool(b, &x)
        }),
        Part::Down(Downsample::AveragePool) => alone(Norm::None, None, |b| {
            let x = wire(b, 4);
            motifs::average_pool(b, &x)
        }),
        // The stride of a convolution, which is there anyway.
        Part::Down(Downsample::None | Downsample::Stride) => Ok(Operators::new()),
        Part::Pool(pool) => alone(Norm::None, None, |b| {
            let x = wire(b, 4);
            let pooled = match pool {
                GlobalPool::Average => b.graph.apply(GlobalAveragePool, &[x.value])?,
                GlobalPool::Max => b.graph.apply(GlobalMaxPool, &[x.value])?,
            };
            Ok(x.with(pooled))
        }),
        Part::Hidden => alone(Norm::None, None, |b| {
            let x = wire(b, 2);
            b.linear("hidden", &x, Segment::one("out", CHANNELS), false)
        }),
        Part::Resized => alone(Norm::None, None, |b| {
            let x = wire(b, 4);
            Ok(x.with(b.graph.apply(Resize { size: [SIDE / 2; 2] }, &[x.value])?))
        }),
    }
}

/// The plainest block, without normalisation.
const PLAIN: ConvBlock =
    ConvBlock { motif: ConvMotif::ConvAct, kernel: 3, dilation: 1, groups: 1, quarters: 4, branches: 1, skip: false };

fn block(block: ConvBlock) -> Result<Operators, GraphError> {
    alone(Norm::None, None, |b| {
        let x = wire(b, 4);
        motifs::build(b, &block, &x, CHANNELS, "out", 1)
    })
}

fn numbers(kind: NumericKind, task: &Task) -> Result<Operators, GraphError> {
    let InputSpec::Table { numeric, .. } = &task.input else { return Ok(Operators::new()) };
    let encoding = match kind {
        NumericKind::Plain => return Ok(Operators::new()),
        NumericKind::Piecewise => NumericEncoding::Piecewise { bins: 4, dim: 2 },
        NumericKind::Periodic => NumericEncoding::Periodic { frequencies: 4, sigma: 0.1, dim: 2 },
    };
    alone(Norm::None, None, |b| {
        let knots = numeric.iter().map(|feature| feature.knots.clone()).collect();
        match feature_inputs(b.graph, task, Dim::Batch).numeric {
            Some(x) => table::numbers(b, encoding, x, knots),
            None => Ok(wire(b, 2)),
        }
    })
}

fn categories(kind: CategoricalKind, task: &Task) -> Result<Operators, GraphError> {
    let InputSpec::Table { categorical, .. } = &task.input else { return Ok(Operators::new()) };
    let encoding = match kind {
        CategoricalKind::OneHot => CategoricalEncoding::OneHot,
        CategoricalKind::Embedding => CategoricalEncoding::Embedding { dim: 2 },
    };
    alone(Norm::None, None, |b| {
        let slots: Vec<usize> = categorical.iter().map(|feature| feature.slots).collect();
        match feature_inputs(b.graph, task, Dim::Batch).codes {
            Some(codes) => table::categories(b, encoding, codes, &slots),
            None => Ok(wire(b, 2)),
        }
    })
}

/// Something that a part reads: `[N, C]`, or `[N, C, H, W]` where `rank` is 4.
fn wire(b: &mut NetBuilder<'_>, rank: usize) -> Flow {
    let rest: &[usize] = if rank == 4 { &[CHANNELS, SIDE, SIDE] } else { &[CHANNELS] };
    let ty = TensorType::new(DType::F32, Shape::batched(Dim::Batch, rest));
    let value: Value = b.graph.input(format!("wire.{rank}"), ty);
    Flow { value, channels: Segment::one("wire", CHANNELS) }
}

/// A 1×1 convolution.
fn point(b: &mut NetBuilder<'_>, x: &Flow, bias: bool) -> Result<Flow, GraphError> {
    let genes = ConvGenes { kernel: 1, stride: 1, dilation: 1, groups: 1, bias, zero: false };
    b.conv("conv", x, Segment::one("out", CHANNELS), genes)
}

/// The operators of what `build` builds, with constant weights as in an exported model.
fn alone(
    norm: Norm,
    activation: Option<Act>,
    build: impl Fn(&mut NetBuilder<'_>) -> Result<Flow, GraphError>,
) -> Result<Operators, GraphError> {
    let mut draft = Graph::new();
    let mut builder = NetBuilder::part(&mut draft, norm, activation, Source::Inputs);
    build(&mut builder)?;
    let weights: BTreeMap<_, _> = zeros(&builder.into_params());
    let mut graph = Graph::new();
    let mut builder = NetBuilder::part(&mut graph, norm, activation, Source::Constants(&weights));
    let built = build(&mut builder)?;
    if graph.nodes().is_empty() {
        return Ok(Operators::new());
    }
    graph.output("out", built.value);
    exported(&graph)
}
