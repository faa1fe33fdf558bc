//! Layer normalisation (Ba et al., 2016).

use super::{along_channels, per_channel, reduce};
use crate::graph::ops::conv::float32;
use crate::graph::ops::{Case, Entry, Feed};
use crate::graph::{Attribute, GraphError, Kernel, Op, Rule, Shape, ShapeError, Speller, TensorType, Term, Value};

/// `γ·(x − mean)/√(variance + ε) + β` with the statistics of each example over all axes but the first:
/// `x [N, C]` or `[N, C, H, W]`, `γ [C]`, `β [C]` to `y`.
#[derive(Debug, Clone, Copy)]
pub struct LayerNorm {
    /// ε, which keeps the divisor from zero.
    pub epsilon: f32,
}

impl Op for LayerNorm {
    fn name(&self) -> &'static str {
        "LayerNorm"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x, gamma, beta] = inputs else {
            return Err(ShapeError::new(format!("3 inputs wanted, {} given", inputs.len())));
        };
        per_channel(x, &[gamma, beta])?;
        Ok(vec![(*x).clone()])
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        let inputs = [rule.grad()?, rule.inputs[0], rule.inputs[1]];
        Ok(rule.graph.add(LayerNormGrad(*self), &inputs)?.into_iter().map(Some).collect())
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let shape = s.input_type(0).shape.clone();
        let x = s.input(0);
        let (normal, _) = self.normalised(s, x, &shape);
        let (gamma, beta) = (along_channels(s, s.input(1), &shape), along_channels(s, s.input(2), &shape));
        let scaled = s.node("Mul", &[normal, gamma], vec![]);
        let y = s.node("Add", &[scaled, beta], vec![]);
        s.output(0, y);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        let attributes = vec![("epsilon", Attribute::Float(self.epsilon))];
        float32(inputs).then(|| Kernel::new("LayerNorm", attributes).with_images(&[0], &[0]))
    }
}

impl LayerNorm {
    /// (x − mean)/√(variance + ε), and the inverse deviation. The gradient repeats these nodes word for word, so that
    /// an engine which merges equal nodes computes them once.
    fn normalised(&self, s: &mut Speller<'_>, x: Term, shape: &Shape) -> (Term, Term) {
        let mean = mean(s, x, shape);
        let centred = s.node("Sub", &[x, mean], vec![]);
        let squared = s.node("Mul", &[centred, centred], vec![]);
        let variance = self::mean(s, squared, shape);
        let epsilon = s.scalar(self.epsilon.into());
        let raised = s.node("Add", &[variance, epsilon], vec![]);
        let deviation = s.node("Sqrt", &[raised], vec![]);
        let inverse = s.node("Reciprocal", &[deviation], vec![]);
        (s.node("Mul", &[centred, inverse], vec![]), inverse)
    }
}

/// Mean over all axes but the first, which are kept with extent 1.
fn mean(s: &mut Speller<'_>, t: Term, shape: &Shape) -> Term {
    let axes = s.ints(&(1..shape.rank() as i64).collect::<Vec<_>>());
    s.node("ReduceMean", &[t, axes], vec![("keepdims", Attribute::Int(1))])
}

/// Gradients of [`LayerNorm`] with respect to `x`, `γ`, `β` from `dy`, `x`, `γ`.
///
/// With x̂ the normalised input, g = γ·dy and means over each example:
/// dβ = Σdy, dγ = Σdy·x̂, dx = (g − mean(g) − x̂·mean(g·x̂))/√(variance + ε).
#[derive(Debug, Clone, Copy)]
pub struct LayerNormGrad(pub LayerNorm);

impl Op for LayerNormGrad {
    fn name(&self) -> &'static str {
        "LayerNormGrad"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        match inputs {
            [dy, x, gamma] if dy == x => {
                let channel = per_channel(x, &[gamma])?;
                Ok(vec![(*x).clone(), channel.clone(), channel])
            }
            _ => Err(ShapeError::new("dy and x of one type and a value for each channel wanted")),
        }
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let shape = s.input_type(1).shape.clone();
        let (dy, x) = (s.input(0), s.input(1));
        let (normal, inverse) = self.0.normalised(s, x, &shape);
        let gamma = along_channels(s, s.input(2), &shape);
        let product = s.node("Mul", &[dy, normal], vec![]);
        let dgamma = reduce(s, "ReduceSum", product, &shape)?;
        let dbeta = reduce(s, "ReduceSum", dy, &shape)?;
        let g = s.node("Mul", &[dy, gamma], vec![]);
        let along = s.node("Mul", &[g, normal], vec![]);
        let (shift, slope) = (mean(s, g, &shape), mean(s, along, &shape));
        let sloped = s.node("Mul", &[normal, slope], vec![]);
        let shifted = s.node("Sub", &[g, shift], vec![]);
        let rest = s.node("Sub", &[shifted, sloped], vec![]);
        let dx = s.node("Mul", &[rest, inverse], vec![]);
        for (i, term) in [dx, dgamma, dbeta].into_iter().enumerate() {
            s.output(i, term);
        }
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        let attributes = vec![("epsilon", Attribute::Float(self.0.epsilon))];
        float32(inputs).then(|| Kernel::new("LayerNormGrad", attributes).with_images(&[0, 1], &[0]))
    }
}

/// Inputs that tests visit.
const SAMPLES: [&[usize]; 5] = [&[3, 5], &[1, 7], &[2, 3, 4, 5], &[1, 17, 1, 3], &[2, 1, 3, 3]];

/// Normalisation by the example.
pub static LAYER_NORM: Entry = Entry {
    name: "LayerNorm",
    doc: "Normalisation by each example's own statistics",
    differentiable: true,
    cases: || {
        SAMPLES
            .into_iter()
            .map(|x| {
                let c = vec![x[1]];
                let inputs = vec![Feed::Normal(x.to_vec()), Feed::Normal(c.clone()), Feed::Normal(c)];
                Case::new(LayerNorm { epsilon: 1e-3 }, inputs)
            })
            .collect()
    },
};
/// Its gradient.
pub static LAYER_NORM_GRAD: Entry = Entry {
    name: "LayerNormGrad",
    doc: "Gradients of the normalisation by the example",
    differentiable: false,
    cases: || {
        SAMPLES
            .into_iter()
            .map(|x| {
                let inputs = vec![Feed::Normal(x.to_vec()), Feed::Normal(x.to_vec()), Feed::Normal(vec![x[1]])];
                Case::new(LayerNormGrad(LayerNorm { epsilon: 1e-3 }), inputs)
            })
            .collect()
    },
};
