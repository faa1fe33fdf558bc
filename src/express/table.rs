//! Nets for tables: encoded features, blocks, a linear head.

use super::net::{Axes, FeatureInputs, Flow, Init, NetBuilder, Segment};
use crate::data::{InputSpec, Task};
use crate::genome::{CategoricalEncoding, Norm, NumericEncoding, TableBlock, TableMotif, TableNet};
use crate::graph::ops::activation::{Activation, ActivationKind};
use crate::graph::ops::elementwise::{Binary, BinaryKind};
use crate::graph::ops::embedding::{Embedding, OneHot};
use crate::graph::ops::encoding::{FeatureLinear, Periodic, PiecewiseLinear};
use crate::graph::ops::shape::Concat;
use crate::graph::{GraphError, ShapeError, Value};

/// Builds the net and returns its output, `[N, outputs]`.
pub fn build(b: &mut NetBuilder<'_>, net: &TableNet, task: &Task, inputs: FeatureInputs) -> Result<Value, GraphError> {
    let InputSpec::Table { numeric, categorical } = &task.input else {
        return Err(b.misfit(ShapeError::new("a net for tables on images")));
    };
    let mut parts = vec![];
    if let Some(x) = inputs.numeric {
        let knots: Vec<Vec<f32>> = numeric.iter().map(|f| f.knots.clone()).collect();
        parts.push(b.within("numeric", |b| numbers(b, net.numeric, x, knots))?);
    }
    if let Some(codes) = inputs.codes {
        let slots: Vec<usize> = categorical.iter().map(|f| f.slots).collect();
        parts.push(b.within("categorical", |b| categories(b, net.categorical, codes, &slots))?);
    }
    if parts.is_empty() {
        return Err(b.misfit(ShapeError::new("no features")));
    }
    let mut x = b.concat(&parts)?;
    for (i, block) in net.blocks.iter().enumerate() {
        x = b.within(format!("blocks.{i}"), |b| table_block(b, block, &x))?;
    }
    Ok(b.linear("head", &x, Segment::one("output", task.outputs()), false)?.value)
}

/// One segment of channels for each feature.
fn by_feature(b: &NetBuilder<'_>, value: Value, extents: impl Iterator<Item = usize>) -> Flow {
    let channels = extents.enumerate().map(|(i, extent)| Segment { group: b.group(&i.to_string()), extent }).collect();
    Flow { value, channels }
}

/// Numeric features as `[N, values]`.
pub(super) fn numbers(
    b: &mut NetBuilder<'_>,
    encoding: NumericEncoding,
    x: Value,
    knots: Vec<Vec<f32>>,
) -> Result<Flow, GraphError> {
    let features = knots.len();
    let (encoded, width, dim) = match encoding {
        NumericEncoding::Plain => return Ok(by_feature(b, x, std::iter::repeat_n(1, features))),
        NumericEncoding::Piecewise { bins, dim } => (b.graph.apply(PiecewiseLinear { knots, bins }, &[x])?, bins, dim),
        NumericEncoding::Periodic { frequencies, sigma, dim } => {
            let shape = [features, frequencies];
            let f = b.param("frequencies", &shape, Init::Normal(sigma), false, Axes::default())?;
            let waves = b.graph.apply(Periodic, &[x, f])?;
            let column = b.reshape(x, &[features, 1])?;
            (b.graph.apply(Concat { axis: 2 }, &[waves, column])?, 2 * frequencies + 1, dim)
        }
    };
    let bound = 1.0 / (width as f32).sqrt();
    let w = b.param("weight", &[features, width, dim], Init::Uniform(bound), true, Axes::default())?;
    let bias = b.param("bias", &[features, dim], Init::Uniform(bound), false, Axes::default())?;
    let y = b.graph.apply(FeatureLinear, &[encoded, w, bias])?;
    let y = b.graph.apply(Activation(ActivationKind::Relu), &[y])?;
    let y = b.reshape(y, &[features * dim])?;
    Ok(by_feature(b, y, std::iter::repeat_n(dim, features)))
}

/// Categorical features as `[N, values]`.
pub(super) fn categories(
    b: &mut NetBuilder<'_>,
    encoding: CategoricalEncoding,
    codes: Value,
    slots: &[usize],
) -> Result<Flow, GraphError> {
    let total = slots.iter().sum();
    match encoding {
        CategoricalEncoding::OneHot => {
            let y = b.graph.apply(OneHot { slots: total }, &[codes])?;
            Ok(by_feature(b, y, slots.iter().copied()))
        }
        CategoricalEncoding::Embedding { dim } => {
            let std = 1.0 / (dim as f32).sqrt();
            let table = b.param("embedding", &[total, dim], Init::Normal(std), false, Axes::default())?;
            let y = b.graph.apply(Embedding, &[table, codes])?;
            let y = b.reshape(y, &[slots.len() * dim])?;
            Ok(by_feature(b, y, std::iter::repeat_n(dim, slots.len())))
        }
    }
}

/// A block, `[N, values]`.
pub(super) fn table_block(b: &mut NetBuilder<'_>, block: &TableBlock, x: &Flow) -> Result<Flow, GraphError> {
    let outputs = Segment::one(b.group("out"), block.width);
    match block.motif {
        TableMotif::Linear => {
            let y = if b.norm_gene() == Norm::None {
                b.linear("linear", x, outputs, false)?
            } else {
                b.unbiased("linear", x, outputs)?
            };
            let y = b.norm_act("norm", &y, true, 1.0)?;
            b.dropout(&y, block.dropout)
        }
        TableMotif::Residual => {
            let y = b.norm_act("norm", x, false, 1.0)?;
            let hidden = Segment::one(b.group("hidden"), block.width);
            let y = b.linear("up", &y, hidden, false)?;
            let y = b.act(&y)?;
            let y = b.dropout(&y, block.dropout)?;
            let y = b.linear("down", &y, x.channels.clone(), true)?;
            b.sum(x, &y)
        }
        TableMotif::Gated => {
            let x = b.norm_act("norm", x, false, 1.0)?;
            let value = b.linear("value", &x, outputs.clone(), false)?;
            let gate = b.linear("gate", &x, outputs, false)?;
            let gate = b.graph.apply(Activation(ActivationKind::Sigmoid), &[gate.value])?;
            let y = value.with(b.graph.apply(Binary(BinaryKind::Mul), &[value.value, gate])?);
            b.dropout(&y, block.dropout)
        }
    }
}
