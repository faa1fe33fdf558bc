//! Ancestors: the layers that a genome describes, one after the other.

use super::net::{BatchNormGenes, Convolution, FeatureInputs, Flow, NetBuilder, Segment};
use crate::data::{InputSpec, Task};
use crate::genome::Size;
use crate::genome::ancestor::{AncestorNet, Conv, Function, Layer, LayerKind, Pool};
use crate::graph::ops::activation::{Activation, ActivationKind};
use crate::graph::ops::conv;
use crate::graph::ops::elementwise::{Binary, BinaryKind};
use crate::graph::ops::pool::{AveragePool, GlobalAveragePool, MaxPool};
use crate::graph::ops::resize::Resize;
use crate::graph::{GraphError, ShapeError, Value};

/// What Keras adds to the variance of a normalisation of the input.
const INPUT_EPSILON: f32 = 1e-7;

/// Builds the net and returns its output, `[N, outputs]`.
pub fn build(b: &mut NetBuilder<'_>, net: &AncestorNet, task: &Task, inputs: FeatureInputs) -> Result<Value, GraphError> {
    let (Some(image), &InputSpec::Image { height, width, channels, .. }) = (inputs.image, &task.input) else {
        return Err(b.misfit(ShapeError::new("an ancestor, which is a net for images, on a table")));
    };
    let architecture = net.architecture(Size { height, width }, channels, task.outputs());
    let architecture = architecture.map_err(|misfit| b.misfit(ShapeError::new(misfit.to_string())))?;
    let mut image = Some(Flow { value: image, channels: Segment::one("image", channels) });
    let mut flows: Vec<Flow> = Vec::with_capacity(architecture.layers.len());
    for layer in &architecture.layers {
        let flow = match layer.kind {
            LayerKind::Input => image.take().ok_or_else(|| b.misfit(ShapeError::new("two inputs")))?,
            _ => {
                let inputs: Vec<&Flow> = layer.inputs.iter().map(|&input| &flows[input]).collect();
                add(b, layer, &inputs, net.dropout)?
            }
        };
        flows.push(flow);
    }
    flows.pop().map(|last| last.value).ok_or_else(|| b.misfit(ShapeError::new("no layers")))
}

/// Adds a layer that reads `inputs`.
fn add(b: &mut NetBuilder<'_>, layer: &Layer, inputs: &[&Flow], dropout: f32) -> Result<Flow, GraphError> {
    let name = layer.name.as_str();
    let outputs = |b: &NetBuilder<'_>| Segment::one(b.group(name), layer.output.channels);
    let Size { height, width } = layer.output.size;
    match (layer.kind, inputs) {
        (LayerKind::Resize, [x]) => named(b, name, x, |b| b.graph.apply(Resize { size: [height, width] }, &[x.value])),
        (LayerKind::Normalization, [x]) => b.fixed_norm(name, x, INPUT_EPSILON),
        (LayerKind::Conv(conv), [x]) => {
            let channels = outputs(b);
            b.convolution(name, x, channels, convolution(conv))
        }
        (LayerKind::BatchNorm(norm), [x]) => {
            let (gamma, activation) = (norm.scale.then_some(1.0), norm.function.map(kind));
            b.batch_norm(name, x, BatchNormGenes { gamma, epsilon: norm.epsilon, activation })
        }
        (LayerKind::Activation(f), [x]) => named(b, name, x, |b| b.graph.apply(Activation(kind(f)), &[x.value])),
        (LayerKind::MaxPool(Pool { kernel, stride, pad }), [x]) => {
            let op = MaxPool { kernel: [kernel; 2], stride: [stride; 2], pads: [pad; 4] };
            named(b, name, x, |b| b.graph.apply(op, &[x.value]))
        }
        (LayerKind::AveragePool(Pool { kernel, stride, pad }), [x]) => {
            let op = AveragePool { kernel: [kernel; 2], stride: [stride; 2], pads: [pad; 4] };
            named(b, name, x, |b| b.graph.apply(op, &[x.value]))
        }
        (LayerKind::GlobalAveragePool, [x]) => named(b, name, x, |b| b.graph.apply(GlobalAveragePool, &[x.value])),
        (LayerKind::Flatten, [x]) => {
            let channels = outputs(b);
            let flat = named(b, name, x, |b| b.reshape(x.value, &[layer.output.channels]))?;
            Ok(Flow { channels, ..flat })
        }
        (LayerKind::Dense, [x]) => {
            let channels = outputs(b);
            b.linear(name, x, channels, false)
        }
        (LayerKind::Dropout, [x]) => b.dropout(x, dropout),
        (LayerKind::Add, [x, y]) => b.within(name, |b| b.sum(x, y)),
        (LayerKind::Multiply, [x, gate]) => named(b, name, x, |b| {
            let gate = b.reshape(gate.value, &[layer.output.channels, 1, 1])?;
            b.graph.apply(Binary(BinaryKind::Mul), &[x.value, gate])
        }),
        (LayerKind::Concat, parts) => {
            let parts: Vec<Flow> = parts.iter().map(|&part| part.clone()).collect();
            b.within(name, |b| b.concat(&parts))
        }
        _ => Err(b.misfit(ShapeError::new(format!("{name} reads {} values", inputs.len())))),
    }
}

/// A value in a scope of its own, with the channels of `x`.
fn named(
    b: &mut NetBuilder<'_>,
    name: &str,
    x: &Flow,
    build: impl FnOnce(&mut NetBuilder<'_>) -> Result<Value, GraphError>,
) -> Result<Flow, GraphError> {
    b.within(name, build).map(|value| x.with(value))
}

fn convolution(c: Conv) -> Convolution {
    let [tall, wide] = c.pads;
    let op = conv::Conv { stride: [c.stride; 2], pads: [tall, wide, tall, wide], dilation: [1; 2], groups: c.groups };
    Convolution { op, kernel: c.kernel, bias: c.bias, zero: false }
}

/// The graph's name of an activation function.
fn kind(function: Function) -> ActivationKind {
    match function {
        Function::Relu => ActivationKind::Relu,
        Function::Relu6 => ActivationKind::Relu6,
        Function::Swish => ActivationKind::Silu,
        Function::Sigmoid => ActivationKind::Sigmoid,
    }
}
