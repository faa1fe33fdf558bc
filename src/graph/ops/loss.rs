//! Losses: weighted means over the rows of a batch.

use super::conv::float32;
use super::elementwise::{Binary, BinaryKind};
use super::{Case, Entry, Feed};
use crate::graph::{
    Attribute, DType, GraphError, Kernel, Op, Rule, Shape, ShapeError, Speller, Tensor, TensorType, Term, Value,
};

/// Cross-entropy of `softmax(logits)`: `Σ_b w_b·Σ_c t_bc·(log Σ exp z_b − z_bc) / B`, a scalar.
///
/// Inputs: logits `z [B, C]`, targets `t [B, C]` (each row a distribution, so that labels can be smoothed or mixed),
/// row weights `w [B]` (class weights; zero for rows that only fill up a batch). The mean is over all B rows, whatever
/// their weights. Only the logits are differentiated.
#[derive(Debug, Clone, Copy)]
pub struct SoftmaxCrossEntropy;

/// Checks logits, targets and weights.
fn check_classes(z: &TensorType, t: &TensorType, w: &TensorType) -> Result<(), ShapeError> {
    if z.dtype != t.dtype || z.dtype != w.dtype || !z.dtype.is_float() {
        return Err(ShapeError::new("inputs of one float type wanted"));
    }
    if z.shape.rank() != 2 || z.shape != t.shape || w.shape != Shape(vec![z.shape.0[0]]) {
        return Err(ShapeError::new(format!("logits {}, targets {}, weights {} do not fit", z.shape, t.shape, w.shape)));
    }
    Ok(())
}

impl Op for SoftmaxCrossEntropy {
    fn name(&self) -> &'static str {
        "SoftmaxCrossEntropy"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [z, t, w] = inputs else { return Err(ShapeError::new(format!("3 inputs wanted, {} given", inputs.len()))) };
        check_classes(z, t, w)?;
        Ok(vec![z.with_shape(Shape::default())])
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        if rule.wanted[1] || rule.wanted[2] {
            return Err(rule.refuse("SoftmaxCrossEntropy of trained targets or weights"));
        }
        let d = rule.grad()?;
        let inputs = [d, rule.inputs[0], rule.inputs[1], rule.inputs[2]];
        Ok(vec![Some(rule.graph.apply(SoftmaxCrossEntropyGrad, &inputs)?), None, None])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        // LogSoftmax overflows in tract: written out, with the largest logit taken off.
        let (z, t, w) = (s.input(0), s.input(1), s.input(2));
        let last = s.ints(&[1]);
        let keep = || vec![("keepdims", Attribute::Int(1))];
        let largest = s.node("ReduceMax", &[z, last], keep());
        let centred = s.node("Sub", &[z, largest], vec![]);
        let exp = s.node("Exp", &[centred], vec![]);
        let sum = s.node("ReduceSum", &[exp, last], keep());
        let log_sum = s.node("Log", &[sum], vec![]);
        let surprise = s.node("Sub", &[log_sum, centred], vec![]);
        let expected = s.node("Mul", &[t, surprise], vec![]);
        let rows = s.node("ReduceSum", &[expected, last], vec![("keepdims", Attribute::Int(0))]);
        let loss = weighted_mean(s, rows, w);
        s.output(0, loss);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        float32(inputs).then_some(Kernel::new("SoftmaxCrossEntropy", vec![]))
    }
}

/// Gradient of [`SoftmaxCrossEntropy`] for its logits: `(softmax(z) − t)·w·d/B`, from the gradient `d` of the loss (a
/// scalar), logits, targets and weights.
#[derive(Debug, Clone, Copy)]
pub struct SoftmaxCrossEntropyGrad;

impl Op for SoftmaxCrossEntropyGrad {
    fn name(&self) -> &'static str {
        "SoftmaxCrossEntropyGrad"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [d, z, t, w] = inputs else { return Err(ShapeError::new(format!("4 inputs wanted, {} given", inputs.len()))) };
        check_classes(z, t, w)?;
        check_scalar(d, z.dtype)?;
        Ok(vec![(*z).clone()])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let (d, z, t, w) = (s.input(0), s.input(1), s.input(2), s.input(3));
        let rows = s.shaped(s.input_type(3).shape.extent(0))?;
        let (share, axis) = (s.scalar(1.0 / rows as f64), s.ints(&[1]));
        let p = s.node("Softmax", &[z], vec![("axis", Attribute::Int(1))]);
        let off = s.node("Sub", &[p, t], vec![]);
        let mean = s.node("Mul", &[d, share], vec![]);
        let scale = s.node("Mul", &[w, mean], vec![]);
        let column = s.node("Unsqueeze", &[scale, axis], vec![]);
        let dz = s.node("Mul", &[off, column], vec![]);
        s.output(0, dz);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        float32(inputs).then_some(Kernel::new("SoftmaxCrossEntropyGrad", vec![]))
    }
}

/// `Σ_b w_b·(p_b − t_b)² / B`, a scalar, without a factor ½.
///
/// Inputs: predictions `p [B]`, targets `t [B]`, row weights `w [B]`. Only the predictions are differentiated.
#[derive(Debug, Clone, Copy)]
pub struct SquaredError;

/// Checks predictions, targets and weights.
fn check_rows(p: &TensorType, t: &TensorType, w: &TensorType) -> Result<(), ShapeError> {
    if p != t || p != w || !p.dtype.is_float() || p.shape.rank() != 1 {
        return Err(ShapeError::new("predictions, targets and weights of one float type and shape [B] wanted"));
    }
    Ok(())
}

fn check_scalar(d: &TensorType, dtype: DType) -> Result<(), ShapeError> {
    if d.dtype != dtype || d.shape.rank() != 0 {
        return Err(ShapeError::new(format!("a {dtype} scalar wanted, not {d}")));
    }
    Ok(())
}

/// Nodes for `Σ rows·w / B`.
fn weighted_mean(s: &mut Speller<'_>, rows: Term, w: Term) -> Term {
    let weighted = s.node("Mul", &[rows, w], vec![]);
    s.node("ReduceMean", &[weighted], vec![("keepdims", Attribute::Int(0))])
}

impl Op for SquaredError {
    fn name(&self) -> &'static str {
        "SquaredError"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [p, t, w] = inputs else { return Err(ShapeError::new(format!("3 inputs wanted, {} given", inputs.len()))) };
        check_rows(p, t, w)?;
        Ok(vec![p.with_shape(Shape::default())])
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        if rule.wanted[1] || rule.wanted[2] {
            return Err(rule.refuse("SquaredError of trained targets or weights"));
        }
        let (d, p, t, w) = (rule.grad()?, rule.inputs[0], rule.inputs[1], rule.inputs[2]);
        let ty = rule.graph.ty(p).clone();
        let rows = rule.shaped(ty.shape.extent(0))?;
        let g = &mut *rule.graph;
        let mul = Binary(BinaryKind::Mul);
        let share = g.constant(Tensor::from_f64(ty.dtype, &[], &[2.0 / rows as f64]));
        let scale = g.apply(mul, &[d, share])?;
        let weights = g.apply(mul, &[w, scale])?;
        let residual = g.apply(Binary(BinaryKind::Sub), &[p, t])?;
        Ok(vec![Some(g.apply(mul, &[residual, weights])?), None, None])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let residual = s.node("Sub", &[s.input(0), s.input(1)], vec![]);
        let squared = s.node("Mul", &[residual, residual], vec![]);
        let loss = weighted_mean(s, squared, s.input(2));
        s.output(0, loss);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        float32(inputs).then_some(Kernel::new("SquaredError", vec![]))
    }
}

/// `Σ_b w_b·h(p_b − t_b) / B`, a scalar, with Huber's `h(r)` = r²/2 where |r| ≤ δ and δ·(|r| − δ/2) elsewhere
/// (Huber, 1964).
///
/// Inputs: predictions `p [B]`, targets `t [B]`, row weights `w [B]`. Only the predictions are differentiated.
#[derive(Debug, Clone, Copy)]
pub struct Huber {
    /// Residual at which the loss turns from a parabola into a line; positive.
    pub delta: f32,
}

impl Huber {
    fn check(self) -> Result<(), ShapeError> {
        if self.delta.is_finite() && self.delta > 0.0 {
            return Ok(());
        }
        Err(ShapeError::new(format!("a positive delta wanted, not {}", self.delta)))
    }
}

/// Nodes for the residual of the terms `p` and `t`, and the same clipped to ±δ.
fn clipped_residual(s: &mut Speller<'_>, delta: f32, p: Term, t: Term) -> (Term, Term) {
    let (low, high) = (s.scalar(-f64::from(delta)), s.scalar(f64::from(delta)));
    let residual = s.node("Sub", &[p, t], vec![]);
    let clipped = s.node("Clip", &[residual, low, high], vec![]);
    (residual, clipped)
}

impl Op for Huber {
    fn name(&self) -> &'static str {
        "Huber"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [p, t, w] = inputs else { return Err(ShapeError::new(format!("3 inputs wanted, {} given", inputs.len()))) };
        self.check()?;
        check_rows(p, t, w)?;
        Ok(vec![p.with_shape(Shape::default())])
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        if rule.wanted[1] || rule.wanted[2] {
            return Err(rule.refuse("Huber of trained targets or weights"));
        }
        let inputs = [rule.grad()?, rule.inputs[0], rule.inputs[1], rule.inputs[2]];
        Ok(vec![Some(rule.graph.apply(HuberGrad { delta: self.delta }, &inputs)?), None, None])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        // With c the residual r clipped to ±δ, h is c·(r − c/2) on all three pieces.
        let (residual, clipped) = clipped_residual(s, self.delta, s.input(0), s.input(1));
        let half = s.scalar(0.5);
        let halved = s.node("Mul", &[clipped, half], vec![]);
        let arm = s.node("Sub", &[residual, halved], vec![]);
        let rows = s.node("Mul", &[clipped, arm], vec![]);
        let loss = weighted_mean(s, rows, s.input(2));
        s.output(0, loss);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        let attributes = vec![("delta", Attribute::Float(self.delta))];
        float32(inputs).then_some(Kernel::new("Huber", attributes))
    }
}

/// Gradient of [`Huber`] for its predictions: the residual clipped to ±δ, times `w·d/B`, from the gradient `d` of the
/// loss (a scalar), predictions, targets and weights.
#[derive(Debug, Clone, Copy)]
pub struct HuberGrad {
    /// As in [`Huber`].
    pub delta: f32,
}

impl Op for HuberGrad {
    fn name(&self) -> &'static str {
        "HuberGrad"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [d, p, t, w] = inputs else { return Err(ShapeError::new(format!("4 inputs wanted, {} given", inputs.len()))) };
        check_rows(p, t, w)?;
        check_scalar(d, p.dtype)?;
        Ok(vec![(*p).clone()])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let rows = s.shaped(s.input_type(1).shape.extent(0))?;
        let share = s.scalar(1.0 / rows as f64);
        let (_, clipped) = clipped_residual(s, self.delta, s.input(1), s.input(2));
        let mean = s.node("Mul", &[s.input(0), share], vec![]);
        let scale = s.node("Mul", &[s.input(3), mean], vec![]);
        let dp = s.node("Mul", &[clipped, scale], vec![]);
        s.output(0, dp);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        let attributes = vec![("delta", Attribute::Float(self.delta))];
        float32(inputs).then_some(Kernel::new("HuberGrad", attributes))
    }
}

/// The loss of classifiers.
pub static SOFTMAX_CROSS_ENTROPY: Entry = Entry {
    name: "SoftmaxCrossEntropy",
    doc: "Cross-entropy of softmax, weighted mean over rows",
    differentiable: true,
    cases: || {
        [(3, 5), (1, 2), (7, 17), (128, 10)]
            .into_iter()
            .map(|(b, c)| {
                let feeds = vec![Feed::Normal(vec![b, c]), Feed::Distribution(vec![b, c]), Feed::Distribution(vec![b])];
                Case::new(SoftmaxCrossEntropy, feeds)
            })
            .collect()
    },
};
/// Its gradient.
pub static SOFTMAX_CROSS_ENTROPY_GRAD: Entry = Entry {
    name: "SoftmaxCrossEntropyGrad",
    doc: "Gradient of softmax cross-entropy for the logits",
    differentiable: false,
    cases: || {
        [(3, 5), (1, 2), (7, 17), (128, 10)]
            .into_iter()
            .map(|(b, c)| {
                let feeds = vec![
                    Feed::Positive(vec![]),
                    Feed::Normal(vec![b, c]),
                    Feed::Distribution(vec![b, c]),
                    Feed::Distribution(vec![b]),
                ];
                Case::new(SoftmaxCrossEntropyGrad, feeds)
            })
            .collect()
    },
};

fn row_feeds(b: usize) -> Vec<Feed> {
    vec![Feed::Normal(vec![b]), Feed::Distribution(vec![b]), Feed::Distribution(vec![b])]
}

/// The loss of regressors.
pub static SQUARED_ERROR: Entry = Entry {
    name: "SquaredError",
    doc: "Squared error, weighted mean over rows",
    differentiable: true,
    cases: || [1, 2, 17].map(|b| Case::new(SquaredError, row_feeds(b))).into(),
};
/// The loss of regressors that outliers do not dominate.
pub static HUBER: Entry = Entry {
    name: "Huber",
    doc: "Huber's loss, weighted mean over rows",
    differentiable: true,
    cases: || [(1, 1.0), (2, 0.1), (17, 0.5)].map(|(b, delta)| Case::new(Huber { delta }, row_feeds(b))).into(),
};
