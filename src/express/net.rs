//! What building a net needs besides the graph: parameters by name, batch statistics, dropout masks.

mod conv;
mod norm;

pub use conv::{ConvGenes, Convolution};
pub use norm::BatchNormGenes;

use crate::genome::{Act, Genome, Net, Norm};
use crate::graph::ops::activation::{Activation, ActivationKind};
use crate::graph::ops::dropout::Dropout;
use crate::graph::ops::elementwise::{Binary, BinaryKind};
use crate::graph::ops::linear::{Linear, MatMul};
use crate::graph::ops::shape::{Concat, Reshape};
use crate::graph::{DType, Dim, Graph, GraphError, Shape, ShapeError, Tensor, TensorType, Value};
use std::collections::BTreeMap;

/// The tensors that a net reads.
#[derive(Debug, Clone, Copy, Default)]
pub struct FeatureInputs {
    /// `[N, numeric features]` float32.
    pub numeric: Option<Value>,
    /// `[N, categorical features]` int64.
    pub codes: Option<Value>,
    /// `[N, channels, height, width]` float32.
    pub image: Option<Value>,
}

/// A parameter or a running statistic of a net.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    /// Name, such as `stages.0.blocks.1.conv.weight`.
    pub name: String,
    /// Extents.
    pub shape: Vec<usize>,
    /// Value before training.
    pub init: Init,
    /// False for running statistics.
    pub trainable: bool,
    /// Whether weight decay applies.
    pub decay: bool,
    /// Which axes are inputs and outputs.
    pub axes: Axes,
}

impl Param {
    /// Name of the graph input that holds it.
    pub fn input(&self) -> String {
        format!("p.{}", self.name)
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Value of a parameter before training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// This value everywhere.
    Constant(f32),
    /// Drawn as the genome's initialisation says.
    Weight {
        /// Inputs that each output sums.
        fan_in: usize,
        /// Outputs that each input reaches.
        fan_out: usize,
    },
    /// Normal with this standard deviation.
    Normal(f32),
    /// Uniform within ± this bound.
    Uniform(f32),
}

/// Channels that grow and shrink together: all that a residual stream carries, or one hidden layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Name, unique in the net.
    pub group: String,
    /// Number of channels.
    pub extent: usize,
}

impl Segment {
    /// Channels that all belong to one group.
    pub fn one(group: impl Into<String>, extent: usize) -> Vec<Self> {
        vec![Segment { group: group.into(), extent }]
    }
}

/// Number of channels of several segments.
fn total(segments: &[Segment]) -> usize {
    segments.iter().map(|s| s.extent).sum()
}

/// Roles of a parameter's axes when a net grows or shrinks ([`super::inherit`]). New outputs are drawn afresh; new
/// inputs start at zero, so that a net that grew computes what it did before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Axes {
    /// The axis that runs over outputs, and the parts it is a concatenation of.
    pub output: Option<(usize, Vec<Segment>)>,
    /// The axis that runs over inputs, and the parts it is a concatenation of.
    pub input: Option<(usize, Vec<Segment>)>,
    /// Axes that hold a spatial kernel, which grows around its centre.
    pub kernel: Vec<usize>,
}

/// A value of a net with what its channels (axis 1) are.
#[derive(Debug, Clone)]
pub struct Flow {
    /// The value.
    pub value: Value,
    /// Parts that its channels are a concatenation of.
    pub channels: Vec<Segment>,
}

impl Flow {
    /// Number of channels.
    pub fn width(&self) -> usize {
        total(&self.channels)
    }

    /// Another value with the same channels.
    pub fn with(&self, value: Value) -> Flow {
        Flow { value, channels: self.channels.clone() }
    }
}

/// Where a net's parameters come from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'w> {
    /// Inputs of the graph.
    Inputs,
    /// Trained weights, as constants.
    Constants(&'w BTreeMap<String, Tensor>),
}

/// A dropout mask that the host draws for each step.
#[derive(Debug, Clone, PartialEq)]
pub struct Mask {
    /// Name of the graph input, uint8.
    pub name: String,
    /// Extents.
    pub shape: Vec<usize>,
    /// Probability of a zero.
    pub rate: f32,
}

/// A running statistic with the batch statistic that moves it.
#[derive(Debug, Clone, Copy)]
pub struct Statistic {
    /// Index of the running statistic among the parameters.
    pub param: usize,
    /// The statistic over the batch.
    pub batch: Value,
}

/// What a net is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To predict: running statistics, no dropout.
    Inference,
    /// To be trained: statistics of the batch, dropout.
    Training,
    /// To be judged before any training: no dropout, what starts at zero so that a branch is the identity is drawn as the
    /// rest is. Where it is not `normalised` it has no normalisations, and rectifiers for activations; else the normalisations
    /// go by statistics of the batch.
    Untrained { normalised: bool },
}

/// Builds a net into a graph.
pub struct NetBuilder<'a> {
    /// The graph.
    pub graph: &'a mut Graph,
    source: Source<'a>,
    purpose: Purpose,
    norm: Norm,
    activation: Option<Act>,
    path: Vec<String>,
    params: Vec<Param>,
    values: Vec<Value>,
    statistics: Vec<Statistic>,
    masks: Vec<Mask>,
}

/// All that building a net leaves besides its output.
pub struct Built {
    /// Parameters and running statistics.
    pub params: Vec<Param>,
    /// Their values in the graph.
    pub values: Vec<Value>,
    /// Running statistics to be moved.
    pub statistics: Vec<Statistic>,
    /// Dropout masks to be fed.
    pub masks: Vec<Mask>,
}

impl<'a> NetBuilder<'a> {
    /// A builder of an inference net.
    pub fn inference(graph: &'a mut Graph, genome: &Genome, source: Source<'a>) -> Self {
        let (norm, activation) = genes(genome);
        NetBuilder::new(graph, norm, activation, source, Purpose::Inference)
    }

    /// A builder of a net in training: batch statistics and dropout.
    pub fn training(graph: &'a mut Graph, genome: &Genome) -> Self {
        let (norm, activation) = genes(genome);
        NetBuilder::new(graph, norm, activation, Source::Inputs, Purpose::Training)
    }

    /// A builder of a net to be judged before any training, without dropout: `normalised` by statistics of the batch, or
    /// without normalisations and with rectifiers for activations. No branch of it starts as the identity.
    pub fn untrained(graph: &'a mut Graph, genome: &Genome, normalised: bool) -> Self {
        let (norm, activation) = genes(genome);
        NetBuilder::new(graph, norm, activation, Source::Inputs, Purpose::Untrained { normalised })
    }

    /// A builder of a part of an inference net, with these genes of the whole net.
    pub fn part(graph: &'a mut Graph, norm: Norm, activation: Option<Act>, source: Source<'a>) -> Self {
        NetBuilder::new(graph, norm, activation, source, Purpose::Inference)
    }

    fn new(graph: &'a mut Graph, norm: Norm, activation: Option<Act>, source: Source<'a>, purpose: Purpose) -> Self {
        NetBuilder {
            graph,
            source,
            purpose,
            norm,
            activation,
            path: vec![],
            params: vec![],
            values: vec![],
            statistics: vec![],
            masks: vec![],
        }
    }

    /// The parameters, where nothing else is of interest.
    pub fn into_params(self) -> Vec<Param> {
        self.params
    }

    /// Everything that building left.
    pub fn finish(self) -> Built {
        Built { params: self.params, values: self.values, statistics: self.statistics, masks: self.masks }
    }

    /// Whether weights that are to start at zero do.
    fn starts_at_zero(&self, zero: bool) -> bool {
        zero && !matches!(self.purpose, Purpose::Untrained { .. })
    }

    /// The net's normalisation.
    pub fn norm_gene(&self) -> Norm {
        self.norm
    }

    /// Builds a part whose parameters and nodes are named below `name`.
    pub fn within<T>(
        &mut self,
        name: impl Into<String>,
        build: impl FnOnce(&mut Self) -> Result<T, GraphError>,
    ) -> Result<T, GraphError> {
        let name = name.into();
        self.graph.enter(&name);
        self.path.push(name);
        let result = build(self);
        self.path.pop();
        self.graph.leave();
        result
    }

    /// Name of a group of channels below the current path.
    pub fn group(&self, name: &str) -> String {
        let mut path = self.path.clone();
        path.push(name.into());
        path.join(".")
    }

    /// The error of a genome that does not fit its task.
    pub fn misfit(&self, source: ShapeError) -> GraphError {
        GraphError::Shape { operator: "net", place: self.path.join("."), inputs: String::new(), source }
    }

    /// Adds a parameter below the current path.
    pub fn param(&mut self, name: &str, shape: &[usize], init: Init, decay: bool, axes: Axes) -> Result<Value, GraphError> {
        self.add_param(name, shape, init, true, decay, axes)
    }

    fn add_param(
        &mut self,
        name: &str,
        shape: &[usize],
        init: Init,
        trainable: bool,
        decay: bool,
        axes: Axes,
    ) -> Result<Value, GraphError> {
        let mut path = self.path.clone();
        path.push(name.into());
        let param = Param { name: path.join("."), shape: shape.to_vec(), init, trainable, decay, axes };
        let value = match self.source {
            Source::Inputs => self.graph.input(param.input(), TensorType::new(DType::F32, Shape::fixed(shape))),
            Source::Constants(weights) => match weights.get(&param.name) {
                Some(tensor) if tensor.shape == shape => self.graph.constant(tensor.clone()),
                Some(tensor) => {
                    return Err(self.misfit(ShapeError::new(format!("{} is {:?}, not {shape:?}", param.name, tensor.shape))));
                }
                None => return Err(self.misfit(ShapeError::new(format!("the weights have no {}", param.name)))),
            },
        };
        self.params.push(param);
        self.values.push(value);
        Ok(value)
    }

    /// `x·w + b`, `[N, outputs]`; `zero` starts it at zero. Its outputs are `channels`.
    pub fn linear(&mut self, name: &str, x: &Flow, channels: Vec<Segment>, zero: bool) -> Result<Flow, GraphError> {
        self.within(name, |b| {
            let w = b.matrix(x, &channels, zero)?;
            let axes = Axes { output: Some((0, channels.clone())), ..Axes::default() };
            let bias = b.param("bias", &[total(&channels)], Init::Constant(0.0), false, axes)?;
            let value = b.graph.apply(Linear, &[x.value, w, bias])?;
            Ok(Flow { value, channels })
        })
    }

    /// `x·w` for a layer whose normalisation brings the bias.
    pub fn unbiased(&mut self, name: &str, x: &Flow, channels: Vec<Segment>) -> Result<Flow, GraphError> {
        self.within(name, |b| {
            let w = b.matrix(x, &channels, false)?;
            let value = b.graph.apply(MatMul { transpose_a: false, transpose_b: false }, &[x.value, w])?;
            Ok(Flow { value, channels })
        })
    }

    fn matrix(&mut self, x: &Flow, channels: &[Segment], zero: bool) -> Result<Value, GraphError> {
        let (inputs, outputs) = (x.width(), total(channels));
        let drawn = Init::Weight { fan_in: inputs, fan_out: outputs };
        let init = if self.starts_at_zero(zero) { Init::Constant(0.0) } else { drawn };
        let axes = Axes { output: Some((1, channels.to_vec())), input: Some((0, x.channels.clone())), kernel: vec![] };
        self.param("weight", &[inputs, outputs], init, true, axes)
    }

    /// The net's activation, where it has one.
    pub fn act(&mut self, x: &Flow) -> Result<Flow, GraphError> {
        match self.activation {
            Some(act) => Ok(x.with(self.graph.apply(Activation(self.rectified(kind(act))), &[x.value])?)),
            None => Ok(x.clone()),
        }
    }

    /// `a + b`, with the channels of `a`.
    pub fn sum(&mut self, a: &Flow, b: &Flow) -> Result<Flow, GraphError> {
        Ok(a.with(self.graph.apply(Binary(BinaryKind::Add), &[a.value, b.value])?))
    }

    /// `[N, …]` with other extents after the batch.
    pub fn reshape(&mut self, x: Value, rest: &[usize]) -> Result<Value, GraphError> {
        let batch: Dim = self.graph.ty(x).shape.0.first().copied().unwrap_or(Dim::Fixed(1));
        self.graph.apply(Reshape { shape: Shape::batched(batch, rest) }, &[x])
    }

    /// Channels side by side.
    pub fn concat(&mut self, parts: &[Flow]) -> Result<Flow, GraphError> {
        if let [only] = parts {
            return Ok(only.clone());
        }
        let values: Vec<Value> = parts.iter().map(|p| p.value).collect();
        let value = self.graph.apply(Concat { axis: 1 }, &values)?;
        Ok(Flow { value, channels: parts.iter().flat_map(|p| p.channels.clone()).collect() })
    }

    /// Dropout on single elements in training, nothing at inference.
    pub fn dropout(&mut self, x: &Flow, rate: f32) -> Result<Flow, GraphError> {
        if self.purpose != Purpose::Training || rate <= 0.0 {
            return Ok(x.clone());
        }
        let shape = self.graph.ty(x.value).shape.extents().map_err(|e| self.misfit(e))?;
        let name = format!("mask.{}", self.masks.len());
        let mask = self.graph.input(name.clone(), TensorType::new(DType::U8, Shape::fixed(&shape)));
        let scale = self.graph.input(format!("scale.{}", self.masks.len()), TensorType::new(DType::F32, Shape::default()));
        self.masks.push(Mask { name, shape, rate });
        Ok(x.with(self.graph.apply(Dropout, &[x.value, mask, scale])?))
    }
}

/// Normalisation and activation of a net. An ancestor's layers name their own.
fn genes(genome: &Genome) -> (Norm, Option<Act>) {
    match &genome.net {
        Net::Table(net) => (net.norm, Some(net.activation)),
        Net::Image(net) => (net.norm, Some(net.activation)),
        Net::Ancestor(_) => (Norm::None, None),
    }
}

/// The graph's name of an activation gene.
pub fn kind(act: Act) -> ActivationKind {
    match act {
        Act::Relu => ActivationKind::Relu,
        Act::LeakyRelu => ActivationKind::LeakyRelu,
        Act::Elu => ActivationKind::Elu,
        Act::Gelu => ActivationKind::Gelu,
        Act::Silu => ActivationKind::Silu,
        Act::Tanh => ActivationKind::Tanh,
        Act::Sigmoid => ActivationKind::Sigmoid,
    }
}
