//! Encodings of numeric features for tabular nets (Gorishniy et al., "On Embeddings for Numerical Features in Tabular
//! Deep Learning", 2022).

use super::{Case, Entry, Feed};
use crate::graph::{Attribute, Dim, GraphError, Op, Rule, Shape, ShapeError, Speller, Tensor, TensorType, Term, Value};

/// Stands for infinity in bounds: far outside every encoded number, and finite, so that no product of it is NaN.
const UNBOUNDED: f64 = 1e30;

/// Piecewise-linear encoding of `x [N, F]` as `[N, F, bins]`.
///
/// A feature with knots k₀ < k₁ < … < kₘ has in output j the position of x in bin j, `(x − kⱼ)/(kⱼ₊₁ − kⱼ)`, clamped to
/// [0, 1], except that the first bin is open below and the last above. Outputs from m on are zero. A feature with fewer
/// than two knots passes x in output 0. The input is data: it is not differentiated.
#[derive(Debug, Clone)]
pub struct PiecewiseLinear {
    /// Knots of each feature, finite and strictly increasing; of more than `bins + 1` an even choice is taken.
    pub knots: Vec<Vec<f32>>,
    /// Outputs of each feature.
    pub bins: usize,
}

/// One output of [`PiecewiseLinear`]: `min(max((x − start)·slope, low), high)`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bin {
    start: f64,
    slope: f64,
    low: f64,
    high: f64,
}

impl PiecewiseLinear {
    /// The outputs of a feature with these knots.
    fn bins_of(&self, knots: &[f32]) -> Vec<Bin> {
        let used = thinned(knots, self.bins + 1);
        let mut bins = vec![Bin { start: 0.0, slope: 0.0, low: 0.0, high: 0.0 }; self.bins];
        if used.len() < 2 {
            bins[0] = Bin { start: 0.0, slope: 1.0, low: -UNBOUNDED, high: UNBOUNDED };
            return bins;
        }
        for (bin, pair) in bins.iter_mut().zip(used.windows(2)) {
            *bin = Bin { start: pair[0], slope: 1.0 / (pair[1] - pair[0]), low: 0.0, high: 1.0 };
        }
        bins[0].low = -UNBOUNDED;
        bins[used.len() - 2].high = UNBOUNDED;
        bins
    }
}

/// At most `most` of the knots, the first and the last among them, evenly chosen by rank.
fn thinned(knots: &[f32], most: usize) -> Vec<f64> {
    if knots.len() <= most {
        return knots.iter().map(|&k| f64::from(k)).collect();
    }
    let (gaps, last) = (most - 1, knots.len() - 1);
    (0..most).map(|i| f64::from(knots[(i * last + gaps / 2) / gaps])).collect()
}

impl Op for PiecewiseLinear {
    fn name(&self) -> &'static str {
        "PiecewiseLinear"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = inputs else { return Err(ShapeError::new(format!("one input wanted, {} given", inputs.len()))) };
        if !x.dtype.is_float() || x.shape.rank() != 2 || x.shape.extent(1)? != self.knots.len() || self.bins == 0 {
            let problem = format!("{x} does not fit knots of {} features in {} bins", self.knots.len(), self.bins);
            return Err(ShapeError::new(problem));
        }
        for (feature, knots) in self.knots.iter().enumerate() {
            if !knots.iter().all(|k| k.is_finite()) || !knots.windows(2).all(|pair| pair[0] < pair[1]) {
                return Err(ShapeError::new(format!("knots of feature {feature} are not finite and increasing")));
            }
        }
        Ok(vec![x.with_shape(Shape(vec![x.shape.0[0], x.shape.0[1], Dim::Fixed(self.bins)]))])
    }

    fn gradient(&self, _rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        Ok(vec![None])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let bins: Vec<Bin> = self.knots.iter().flat_map(|knots| self.bins_of(knots)).collect();
        let (dtype, shape) = (s.input_type(0).dtype, [self.knots.len(), self.bins]);
        let mut table = |part: fn(&Bin) -> f64| {
            s.constant(Tensor::from_f64(dtype, &shape, &bins.iter().map(part).collect::<Vec<f64>>()))
        };
        let (start, slope) = (table(|b| b.start), table(|b| b.slope));
        let (low, high) = (table(|b| b.low), table(|b| b.high));
        let column = unsqueeze_last(s, s.input(0));
        // The start is taken off first: adding −start·slope after the product would cancel digits in narrow bins.
        let above = s.node("Sub", &[column, start], vec![]);
        let position = s.node("Mul", &[above, slope], vec![]);
        let raised = s.node("Max", &[position, low], vec![]);
        let y = s.node("Min", &[raised, high], vec![]);
        s.output(0, y);
        Ok(())
    }
}

/// A node that gives `x` a last axis of extent 1.
fn unsqueeze_last(s: &mut Speller<'_>, x: Term) -> Term {
    let axis = s.ints(&[-1]);
    s.node("Unsqueeze", &[x, axis], vec![])
}

/// A linear layer of its own for each feature: `x [N, F, B]`, `w [F, B, D]`, `b [F, D]` → `[N, F, D]`.
#[derive(Debug, Clone, Copy)]
pub struct FeatureLinear;

impl Op for FeatureLinear {
    fn name(&self) -> &'static str {
        "FeatureLinear"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x, w, b] = inputs else { return Err(ShapeError::new(format!("3 inputs wanted, {} given", inputs.len()))) };
        if x.dtype != w.dtype || x.dtype != b.dtype || !x.dtype.is_float() {
            return Err(ShapeError::new("inputs of one float type wanted"));
        }
        let fits = x.shape.rank() == 3
            && w.shape.rank() == 3
            && x.shape.0[1..] == w.shape.0[..2]
            && b.shape.0 == [w.shape.0[0], w.shape.0[2]];
        if !fits {
            return Err(ShapeError::new(format!("{} · {} + {} does not fit", x.shape, w.shape, b.shape)));
        }
        Ok(vec![x.with_shape(Shape(vec![x.shape.0[0], x.shape.0[1], w.shape.0[2]]))])
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        let (d, x, w) = (rule.grad()?, rule.inputs[0], rule.inputs[1]);
        let wants_x = rule.wanted[0];
        let g = &mut *rule.graph;
        let dx = if wants_x { Some(g.apply(FeatureLinearInputGrad, &[d, w])?) } else { None };
        let dw = g.apply(FeatureLinearWeightGrad, &[x, d])?;
        Ok(vec![dx, Some(dw), Some(d)])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        // Batched MatMul between transpositions: 1.2 to 1.7 times as fast as Einsum on ONNX Runtime's CPU provider (its
        // weight gradient 4 to 8 times), 4 times as fast as MatMul of [N, F, 1, B].
        let features = features_first(s, s.input(0));
        let product = s.node("MatMul", &[features, s.input(1)], vec![]);
        let rows = features_first(s, product);
        let y = s.node("Add", &[rows, s.input(2)], vec![]);
        s.output(0, y);
        Ok(())
    }

    fn macs(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        feature_macs(inputs[0], inputs[1])
    }
}

/// A node that swaps the first two of three axes.
fn features_first(s: &mut Speller<'_>, x: Term) -> Term {
    s.node("Transpose", &[x], vec![("perm", Attribute::Ints(vec![1, 0, 2]))])
}

/// Rows of `x` times elements of `w`.
fn feature_macs(x: &TensorType, w: &TensorType) -> u64 {
    x.shape.extent(0).unwrap_or(1) as u64 * w.shape.elements().unwrap_or(0) as u64
}

/// Gradient of [`FeatureLinear`] for its input, from the gradient `d [N, F, D]` and `w [F, B, D]`: `[N, F, B]`.
#[derive(Debug, Clone, Copy)]
pub struct FeatureLinearInputGrad;

impl Op for FeatureLinearInputGrad {
    fn name(&self) -> &'static str {
        "FeatureLinearInputGrad"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [d, w] = inputs else { return Err(ShapeError::new(format!("2 inputs wanted, {} given", inputs.len()))) };
        let ranks = d.dtype == w.dtype && d.shape.rank() == 3 && w.shape.rank() == 3;
        if !ranks || d.shape.0[1..] != [w.shape.0[0], w.shape.0[2]] {
            return Err(ShapeError::new(format!("gradient {d} and weights {w} do not fit")));
        }
        Ok(vec![d.with_shape(Shape(vec![d.shape.0[0], w.shape.0[0], w.shape.0[1]]))])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let features = features_first(s, s.input(0));
        let weights = s.node("Transpose", &[s.input(1)], vec![("perm", Attribute::Ints(vec![0, 2, 1]))]);
        let product = s.node("MatMul", &[features, weights], vec![]);
        let dx = features_first(s, product);
        s.output(0, dx);
        Ok(())
    }

    fn macs(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        feature_macs(inputs[0], inputs[1])
    }
}

/// Gradient of [`FeatureLinear`] for its weights, from `x [N, F, B]` and the gradient `d [N, F, D]`: `[F, B, D]`.
#[derive(Debug, Clone, Copy)]
pub struct FeatureLinearWeightGrad;

impl Op for FeatureLinearWeightGrad {
    fn name(&self) -> &'static str {
        "FeatureLinearWeightGrad"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x, d] = inputs else { return Err(ShapeError::new(format!("2 inputs wanted, {} given", inputs.len()))) };
        let ranks = x.dtype == d.dtype && x.shape.rank() == 3 && d.shape.rank() == 3;
        if !ranks || x.shape.0[..2] != d.shape.0[..2] {
            return Err(ShapeError::new(format!("input {x} and gradient {d} do not fit")));
        }
        Ok(vec![x.with_shape(Shape(vec![x.shape.0[1], x.shape.0[2], d.shape.0[2]]))])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let inputs = s.node("Transpose", &[s.input(0)], vec![("perm", Attribute::Ints(vec![1, 2, 0]))]);
        let features = features_first(s, s.input(1));
        let dw = s.node("MatMul", &[inputs, features], vec![]);
        s.output(0, dw);
        Ok(())
    }

    fn macs(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        feature_macs(inputs[0], outputs[0])
    }
}

/// Periodic encoding of `x [N, F]` with trained `frequencies c [F, K]`: `[sin(2π·c·x), cos(2π·c·x)]`, `[N, F, 2K]`.
///
/// Only the frequencies are differentiated.
#[derive(Debug, Clone, Copy)]
pub struct Periodic;

impl Op for Periodic {
    fn name(&self) -> &'static str {
        "Periodic"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x, c] = inputs else { return Err(ShapeError::new(format!("2 inputs wanted, {} given", inputs.len()))) };
        if x.dtype != c.dtype || !x.dtype.is_float() || x.shape.rank() != 2 || c.shape.rank() != 2 {
            return Err(ShapeError::new("a float matrix and its frequencies wanted"));
        }
        if x.shape.0[1] != c.shape.0[0] {
            return Err(ShapeError::new(format!("{} and frequencies {} do not fit", x.shape, c.shape)));
        }
        Ok(vec![x.with_shape(Shape(vec![x.shape.0[0], x.shape.0[1], Dim::Fixed(2 * c.shape.extent(1)?)]))])
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        if rule.wanted[0] {
            return Err(rule.refuse("Periodic of a trained input"));
        }
        let inputs = [rule.grad()?, rule.inputs[0], rule.outputs[0]];
        Ok(vec![None, Some(rule.graph.apply(PeriodicGrad, &inputs)?)])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let turn = s.scalar(std::f64::consts::TAU);
        let angles = s.node("Mul", &[s.input(1), turn], vec![]);
        let column = unsqueeze_last(s, s.input(0));
        let phase = s.node("Mul", &[column, angles], vec![]);
        let (sin, cos) = (s.node("Sin", &[phase], vec![]), s.node("Cos", &[phase], vec![]));
        let y = s.node("Concat", &[sin, cos], vec![("axis", Attribute::Int(2))]);
        s.output(0, y);
        Ok(())
    }
}

/// Gradient of [`Periodic`] for its frequencies before the sum over rows, `[N, F, K]`: `2π·x·(d_sin·cos − d_cos·sin)`,
/// from the gradient `d [N, F, 2K]`, the input `x [N, F]` and the output `y [N, F, 2K]`.
#[derive(Debug, Clone, Copy)]
pub struct PeriodicGrad;

impl Op for PeriodicGrad {
    fn name(&self) -> &'static str {
        "PeriodicGrad"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [d, x, y] = inputs else { return Err(ShapeError::new(format!("3 inputs wanted, {} given", inputs.len()))) };
        if d != y || d.dtype != x.dtype || d.shape.rank() != 3 || d.shape.0[..2] != x.shape.0 {
            return Err(ShapeError::new(format!("gradient {d}, input {x} and output {y} do not fit")));
        }
        Ok(vec![d.with_shape(Shape(vec![d.shape.0[0], d.shape.0[1], Dim::Fixed(d.shape.extent(2)? / 2)]))])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let half = s.shaped(s.output_type(0).shape.extent(2))? as i64;
        let sizes = s.ints(&[half, half]);
        let [d, y] = [s.input(0), s.input(2)]
            .map(|t| s.nodes("Split", &[Some(t), Some(sizes)], 2, vec![("axis", Attribute::Int(2))]));
        let rising = s.node("Mul", &[d[0], y[1]], vec![]);
        let falling = s.node("Mul", &[d[1], y[0]], vec![]);
        let slope = s.node("Sub", &[rising, falling], vec![]);
        let turn = s.scalar(std::f64::consts::TAU);
        let scaled = s.node("Mul", &[s.input(1), turn], vec![]);
        let column = unsqueeze_last(s, scaled);
        let dc = s.node("Mul", &[slope, column], vec![]);
        s.output(0, dc);
        Ok(())
    }
}

/// Bins of numeric features.
pub static PIECEWISE_LINEAR: Entry = Entry {
    name: "PiecewiseLinear",
    doc: "Position of a number in the bins of its feature",
    differentiable: false,
    cases: || {
        let ramp = |n: usize| (0..n).map(|i| i as f32 * 0.5 - 1.0).collect::<Vec<f32>>();
        let case = |n: usize, knots: Vec<Vec<f32>>, bins| {
            let features = knots.len();
            Case::new(PiecewiseLinear { knots, bins }, vec![Feed::Normal(vec![n, features])])
        };
        vec![
            case(7, vec![ramp(4), ramp(2), vec![], vec![0.25], ramp(9)], 3),
            case(1, vec![ramp(2)], 1),
            case(5, vec![ramp(17), ramp(6)], 5),
        ]
    },
};
/// A linear layer for each feature.
pub static FEATURE_LINEAR: Entry = Entry {
    name: "FeatureLinear",
    doc: "Matrix product with bias, one for each feature",
    differentiable: true,
    cases: || {
        [(3, 5, 7, 2), (1, 1, 1, 1), (8, 2, 1, 17)]
            .into_iter()
            .map(|(n, f, b, d)| {
                let feeds = vec![Feed::Normal(vec![n, f, b]), Feed::Normal(vec![f, b, d]), Feed::Normal(vec![f, d])];
                Case::new(FeatureLinear, feeds)
            })
            .collect()
    },
};
/// Sines and cosines of numeric features.
pub static PERIODIC: Entry = Entry {
    name: "Periodic",
    doc: "Sines and cosines with trained frequencies",
    differentiable: true,
    cases: || {
        [(3, 5, 7), (1, 1, 1), (8, 2, 3)]
            .into_iter()
            .map(|(n, f, k)| Case::new(Periodic, vec![Feed::Distribution(vec![n, f]), Feed::Normal(vec![f, k])]))
            .collect()
    },
};
