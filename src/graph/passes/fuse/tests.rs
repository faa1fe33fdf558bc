use super::fuse;
use crate::graph::ops::activation::{Activation, ActivationKind};
use crate::graph::ops::conv::Conv;
use crate::graph::ops::elementwise::{Binary, BinaryKind};
use crate::graph::ops::linear::Linear;
use crate::graph::ops::norm::BatchNorm;
use crate::graph::ops::optimizer::SgdStep;
use crate::graph::ops::pool::GlobalAveragePool;
use crate::graph::ops::reduce::Mean;
use crate::graph::{DType, Graph, Shape, TensorType, Value, differentiate};

/// A net under construction, with its parameters.
struct Net {
    graph: Graph,
    parameters: Vec<Value>,
}

impl Net {
    fn new() -> Self {
        Net { graph: Graph::new(), parameters: vec![] }
    }

    fn input(&mut self, dims: &[usize]) -> Value {
        let name = format!("x{}", self.graph.inputs().len());
        self.graph.input(name, TensorType::new(DType::F32, Shape::fixed(dims)))
    }

    fn parameter(&mut self, dims: &[usize]) -> Value {
        let value = self.input(dims);
        self.parameters.push(value);
        value
    }

    fn conv(&mut self, x: Value, outputs: usize) -> Value {
        let inputs = self.graph.ty(x).shape.extent(1).unwrap();
        let w = self.parameter(&[outputs, inputs, 3, 3]);
        self.conv_with(x, w)
    }

    fn conv_with(&mut self, x: Value, w: Value) -> Value {
        let conv = Conv { stride: [1, 1], pads: [1; 4], dilation: [1, 1], groups: 1 };
        self.graph.apply(conv, &[x, w]).unwrap()
    }

    fn norm(&mut self, x: Value) -> Value {
        let channels = self.graph.ty(x).shape.extent(1).unwrap();
        let (gamma, beta) = (self.parameter(&[channels]), self.parameter(&[channels]));
        let op = BatchNorm { epsilon: 1e-5, activation: Some(ActivationKind::Relu) };
        let [y, mean, variance] = self.graph.add(op, &[x, gamma, beta]).unwrap()[..] else { panic!("three outputs") };
        let n = self.graph.outputs().len();
        self.graph.output(format!("mean{n}"), mean);
        self.graph.output(format!("variance{n}"), variance);
        y
    }

    /// Images, a convolution and its norm.
    fn stem(&mut self) -> Value {
        let x = self.input(&[2, 3, 6, 6]);
        let y = self.conv(x, 4);
        self.norm(y)
    }

    /// Outputs a mean of `y` and its gradients, and names the operators that are left after fusing.
    fn trained(mut self, y: Value) -> Vec<&'static str> {
        let pooled = self.graph.apply(GlobalAveragePool, &[y]).unwrap();
        let loss = self.graph.apply(Mean, &[pooled]).unwrap();
        self.graph.output("loss", loss);
        let gradients = differentiate(&mut self.graph, loss, &self.parameters).unwrap();
        for (i, gradient) in gradients.into_iter().enumerate() {
            self.graph.output(format!("g{i}"), gradient);
        }
        let fused = fuse(&self.graph).unwrap();
        assert_eq!(fused.outputs().len(), self.graph.outputs().len());
        for ((name, new), (old_name, old)) in fused.outputs().iter().zip(self.graph.outputs()) {
            assert_eq!((name, fused.ty(*new)), (old_name, self.graph.ty(*old)));
        }
        let heads = ["GlobalAveragePool", "GlobalAveragePoolGrad", "Mean", "Expand", "Mul"];
        fused.nodes().iter().map(|n| n.op.name()).filter(|name| !heads.contains(name)).collect()
    }
}

#[test]
fn a_chain_of_normed_convolutions_becomes_two_nodes_a_layer() {
    let mut net = Net::new();
    let mut y = net.input(&[2, 3, 6, 6]);
    for outputs in [4, 5, 6] {
        y = net.conv(y, outputs);
        y = net.norm(y);
    }
    let names = net.trained(y);
    let wanted = ["FusedConv", "FusedConv", "FusedConv", "BatchNormInference", "BatchNormParameterGrad"];
    assert_eq!(names[..5], wanted);
    assert_eq!(names[5..], ["FusedConvGrad", "FusedConvGrad", "FusedConvGrad"]);
}

#[test]
fn what_two_nodes_read_is_written() {
    let mut net = Net::new();
    let stem = net.stem();
    let branch = net.conv(stem, 4);
    let branch = net.norm(branch);
    let y = net.graph.apply(Binary(BinaryKind::Add), &[stem, branch]).unwrap();
    let names = net.trained(y);
    let count = |name| names.iter().filter(|n| **n == name).count();
    assert_eq!((count("BatchNormInference"), count("BatchNormAdd")), (1, 1), "{names:?}");
    assert_eq!(count("BatchNormParameterGrad"), 2, "{names:?}");
    assert_eq!((count("FusedConv"), count("FusedConvGrad"), count("BatchNormGrad")), (2, 2, 0), "{names:?}");
}

#[test]
fn gradients_that_come_together_are_added_by_a_convolution() {
    let mut net = Net::new();
    let stem = net.stem();
    // Three convolutions read the stem, and what is added to them: each takes in what is there before its own gradient.
    let branches = [(); 3].map(|()| {
        let y = net.conv(stem, 4);
        net.norm(y)
    });
    let y = net.graph.apply(Binary(BinaryKind::Add), &branches[..2]).unwrap();
    let y = net.graph.apply(Binary(BinaryKind::Add), &[y, branches[2]]).unwrap();
    let y = net.graph.apply(Binary(BinaryKind::Add), &[y, stem]).unwrap();
    let names = net.trained(y);
    let count = |name| names.iter().filter(|n| **n == name).count();
    assert_eq!((count("FusedConvGrad"), count("BatchNormAdd"), count("Add")), (4, 2, 1), "{names:?}");
}

#[test]
fn convolutions_that_share_weights_have_their_own_gradients() {
    let mut net = Net::new();
    let (x, w) = (net.input(&[2, 3, 6, 6]), net.parameter(&[4, 4, 3, 3]));
    let branches = [(); 2].map(|()| {
        let y = net.conv(x, 4);
        net.conv_with(y, w)
    });
    let y = net.graph.apply(Binary(BinaryKind::Add), &branches).unwrap();
    let names = net.trained(y);
    assert_eq!(names.iter().filter(|n| **n == "FusedConvGrad").count(), 2, "{names:?}");
}

#[test]
fn a_value_in_two_places_of_a_convolution_is_written() {
    let mut net = Net::new();
    let x = net.input(&[4, 3, 3, 3]);
    let y = net.conv(x, 4);
    let y = net.norm(y);
    let y = net.conv_with(y, y);
    assert!(net.trained(y).contains(&"BatchNormInference"));
}

#[test]
fn what_is_frozen_has_no_gradient() {
    for frozen in 0..4 {
        let mut net = Net::new();
        let x = net.input(&[2, 3, 6, 6]);
        let y = net.conv(x, 4);
        let y = net.norm(y);
        let y = net.conv(y, 5);
        // Weights, γ and β, weights.
        net.parameters.remove(frozen);
        net.trained(y);
    }
}

#[test]
fn a_norm_that_two_convolutions_read_and_two_norms_of_one_convolution_are_written() {
    let mut net = Net::new();
    let x = net.input(&[2, 3, 6, 6]);
    let raw = net.conv(x, 4);
    let norms = [(); 2].map(|()| net.norm(raw));
    let branches = [norms[0], norms[0], norms[1]].map(|y| net.conv(y, 4));
    let y = net.graph.apply(Binary(BinaryKind::Add), &branches[..2]).unwrap();
    let y = net.graph.apply(Binary(BinaryKind::Add), &[y, branches[2]]).unwrap();
    let names = net.trained(y);
    assert!(names.contains(&"BatchNormInference") && names.contains(&"BatchNorm"), "{names:?}");
}

#[test]
fn a_sum_takes_the_norm_before_and_the_activation_after_it() {
    let mut net = Net::new();
    let x = net.input(&[2, 3, 6, 6]);
    let stem = net.conv(x, 4);
    let branch = net.conv(stem, 4);
    let (gamma, beta) = (net.parameter(&[4]), net.parameter(&[4]));
    let norm = BatchNorm { epsilon: 1e-5, activation: None };
    let branch = net.graph.add(norm, &[branch, gamma, beta]).unwrap()[0];
    let sum = net.graph.apply(Binary(BinaryKind::Add), &[stem, branch]).unwrap();
    let y = net.graph.apply(Activation(ActivationKind::Relu), &[sum]).unwrap();
    let names = net.trained(y);
    assert!(names.contains(&"BatchNormAdd") && names.contains(&"ActivationGrad"), "{names:?}");
    assert!(!names.contains(&"Activation") && !names.contains(&"BatchNormInference"), "{names:?}");
}

#[test]
fn a_norm_of_no_convolution_stays() {
    let mut net = Net::new();
    let x = net.input(&[2, 3, 6, 6]);
    let y = net.norm(x);
    let y = net.conv(y, 4);
    let names = net.trained(y);
    assert_eq!(names, ["BatchNorm", "Conv", "FusedConvGrad", "BatchNormGrad"]);
}

/// A net of linear layers of these widths on 64 rows that is trained by gradient descent; `shared` layers have the weights
/// of the one before.
fn stepped(widths: &[usize], shared: bool) -> Graph {
    let mut net = Net::new();
    let mut y = net.input(&[64, widths[0]]);
    for (i, pair) in widths.windows(2).enumerate() {
        let w = if shared && i > 0 { net.parameters[0] } else { net.parameter(pair) };
        let b = net.input(&pair[1..]);
        y = net.graph.apply(Linear, &[y, w, b]).unwrap();
    }
    let loss = net.graph.apply(Mean, &[y]).unwrap();
    net.graph.output("loss", loss);
    let gradients = differentiate(&mut net.graph, loss, &net.parameters).unwrap();
    let mut inputs: Vec<Value> = (0..2).map(|_| net.input(&[])).collect();
    for (&w, gradient) in net.parameters.clone().iter().zip(gradients) {
        let dims: Vec<usize> = net.graph.ty(w).shape.extents().unwrap();
        inputs.extend([w, gradient, net.input(&dims)]);
    }
    let step = SgdStep { momentum: 0.9, decay: (0..net.parameters.len()).map(|i| i % 2 == 0).collect() };
    for (i, value) in net.graph.add(step, &inputs).unwrap().into_iter().enumerate() {
        net.graph.output(format!("y{i}"), value);
    }
    net.graph
}

/// The steps of a fused graph, by name and number of inputs.
fn steps(graph: &Graph) -> Vec<(&'static str, usize)> {
    let fused = fuse(graph).unwrap();
    let types = |g: &Graph| g.outputs().iter().map(|(name, v)| (name.clone(), g.ty(*v).clone())).collect::<Vec<_>>();
    assert_eq!(types(&fused), types(graph));
    let nodes = fused.nodes().iter().map(|n| (n.op.name(), n.inputs.len()));
    nodes.filter(|(name, _)| name.ends_with("Step")).collect()
}

#[test]
fn weights_of_large_products_have_steps_of_their_own() {
    // The gradient of a mean does not depend on the layers' results: each step waits for that of its layer, and the second
    // for the gradient of its input as well.
    let wanted = [("LinearSgdStep", 7), ("LinearSgdStep", 8), ("SgdStep", 5)];
    assert_eq!(steps(&stepped(&[80, 90, 70, 3], false)), wanted);
    assert_eq!(steps(&stepped(&[80, 90], false)), [("LinearSgdStep", 7)]);
    assert_eq!(steps(&stepped(&[8, 9, 10], false)), [("SgdStep", 8)]);
}

#[test]
fn a_sum_of_gradients_is_stepped_as_it_is() {
    assert_eq!(steps(&stepped(&[80, 80, 80], true)), [("SgdStep", 5)]);
}
