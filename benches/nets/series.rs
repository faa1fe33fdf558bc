//! A net for series, which lie as images of one row. Genes have square kernels only, so it is built as a graph.

use super::BATCH;
use evolve::express::{Axes, Feed, Init, Param, TrainingStep};
use evolve::graph::ops::activation::ActivationKind;
use evolve::graph::ops::conv::Conv;
use evolve::graph::ops::elementwise::{Binary, BinaryKind};
use evolve::graph::ops::linear::Linear;
use evolve::graph::ops::loss::SoftmaxCrossEntropy;
use evolve::graph::ops::norm::BatchNorm;
use evolve::graph::ops::optimizer::{AdamStep, ExponentialAverage};
use evolve::graph::ops::pool::GlobalAveragePool;
use evolve::graph::{DType, Graph, GraphError, Shape, TensorType, Value, differentiate};

const LENGTH: usize = 512;
const CHANNELS: usize = 32;
const KERNEL: usize = 3;
const CLASSES: usize = 10;

/// The training step of a convolution to 32 channels and six more at dilations 1, 2, 4, …, 32, each with batch norm and
/// ReLU and added to its input; a global mean and a linear layer at the end.
pub fn step() -> Result<TrainingStep, GraphError> {
    let mut b = Builder::default();
    let series = b.feed("image", &[BATCH, 1, 1, LENGTH]);
    let mut x = b.conv_norm_act("stem", series, 1, 1)?;
    for layer in 0..6 {
        let y = b.conv_norm_act(&format!("layers.{layer}"), x, CHANNELS, 1 << layer)?;
        x = b.graph.apply(Binary(BinaryKind::Add), &[y, x])?;
    }
    let pooled = b.graph.apply(GlobalAveragePool, &[x])?;
    let weight = b.param("head.weight", &[CHANNELS, CLASSES], Init::Weight { fan_in: CHANNELS, fan_out: CLASSES }, true);
    let bias = b.param("head.bias", &[CLASSES], Init::Constant(0.0), true);
    let logits = b.graph.apply(Linear, &[pooled, weight, bias])?;
    let (targets, weights) = (b.feed("targets", &[BATCH, CLASSES]), b.feed("weights", &[BATCH]));
    let loss = b.graph.apply(SoftmaxCrossEntropy, &[logits, targets, weights])?;
    b.finish(loss)
}

/// The graph and what the step around it has to know.
#[derive(Default)]
struct Builder {
    graph: Graph,
    params: Vec<Param>,
    values: Vec<Value>,
    statistics: Vec<(usize, Value)>,
    feeds: Vec<Feed>,
}

impl Builder {
    fn feed(&mut self, name: &str, shape: &[usize]) -> Value {
        self.feeds.push(Feed { name: name.into(), dtype: DType::F32, shape: shape.to_vec() });
        self.graph.input(name, floats(shape))
    }

    fn param(&mut self, name: &str, shape: &[usize], init: Init, trainable: bool) -> Value {
        let (name, axes) = (name.into(), Axes::default());
        let param = Param { name, shape: shape.to_vec(), init, trainable, decay: shape.len() > 1, axes };
        let value = self.graph.input(param.input(), floats(shape));
        self.params.push(param);
        self.values.push(value);
        value
    }

    fn conv_norm_act(&mut self, name: &str, x: Value, inputs: usize, dilation: usize) -> Result<Value, GraphError> {
        let drawn = Init::Weight { fan_in: inputs * KERNEL, fan_out: CHANNELS * KERNEL };
        let weight = self.param(&format!("{name}.conv.weight"), &[CHANNELS, inputs, 1, KERNEL], drawn, true);
        let reach = dilation * (KERNEL - 1) / 2;
        let conv = Conv { stride: [1; 2], pads: [0, reach, 0, reach], dilation: [1, dilation], groups: 1 };
        let y = self.graph.apply(conv, &[x, weight])?;
        let gamma = self.param(&format!("{name}.norm.gamma"), &[CHANNELS], Init::Constant(1.0), true);
        let beta = self.param(&format!("{name}.norm.beta"), &[CHANNELS], Init::Constant(0.0), true);
        let norm = BatchNorm { epsilon: 1e-5, activation: Some(ActivationKind::Relu) };
        let outputs = self.graph.add(norm, &[y, gamma, beta])?;
        for (statistic, value, initial) in [("mean", outputs[1], 0.0), ("variance", outputs[2], 1.0)] {
            self.statistics.push((self.params.len(), value));
            self.param(&format!("{name}.norm.{statistic}"), &[CHANNELS], Init::Constant(initial), false);
        }
        Ok(outputs[0])
    }

    /// Gradients, Adam and running statistics.
    fn finish(mut self, loss: Value) -> Result<TrainingStep, GraphError> {
        let trained: Vec<usize> = (0..self.params.len()).filter(|&i| self.params[i].trainable).collect();
        let targets: Vec<Value> = trained.iter().map(|&i| self.values[i]).collect();
        let gradients = differentiate(&mut self.graph, loss, &targets)?;
        let mut inputs: Vec<Value> = ["lr", "wd", "c1", "c2"].iter().map(|name| self.feed(name, &[])).collect();
        let mut moments = vec![];
        for (&i, gradient) in trained.iter().zip(gradients) {
            let Param { name, shape, .. } = &self.params[i];
            inputs.extend([self.values[i], gradient]);
            for kind in ["m", "v"] {
                let name = format!("{kind}.{name}");
                inputs.push(self.graph.input(name.clone(), floats(shape)));
                moments.push((name.clone(), format!("next.{name}"), shape.clone()));
            }
        }
        let decay = trained.iter().map(|&i| self.params[i].decay).collect();
        let adam = AdamStep { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled: false, decay };
        let outputs = self.graph.add(adam, &inputs)?;
        for ((updated, &i), kept) in outputs.chunks(3).zip(&trained).zip(moments.chunks(2)) {
            self.graph.output(TrainingStep::next(&self.params[i]), updated[0]);
            self.graph.output(&kept[0].1, updated[1]);
            self.graph.output(&kept[1].1, updated[2]);
        }
        let mut inputs = vec![self.graph.scalar(DType::F32, 0.1)];
        inputs.extend(self.statistics.iter().flat_map(|&(i, batch)| [self.values[i], batch]));
        let averages = self.graph.add(ExponentialAverage, &inputs)?;
        for (&(i, _), average) in self.statistics.iter().zip(averages) {
            self.graph.output(TrainingStep::next(&self.params[i]), average);
        }
        self.graph.output(TrainingStep::LOSS, loss);
        Ok(TrainingStep { graph: self.graph, params: self.params, moments, feeds: self.feeds, masks: vec![] })
    }
}

fn floats(shape: &[usize]) -> TensorType {
    TensorType::new(DType::F32, Shape::fixed(shape))
}
