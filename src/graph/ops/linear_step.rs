//! Steps of an optimizer on the weights of linear layers, each with the product that is their gradient.

use super::linear::MatMul;
use super::optimizer::{AdamStep, SgdStep};
use super::{Case, Entry, Feed};
use crate::graph::{GraphError, Kernel, Op, ShapeError, Speller, TensorType};
use std::sync::Arc;

/// The gradient xᵀ·d of weights, from the layer's input `x [N, K]` and the gradient `d [N, O]` of its result.
const GRADIENT: MatMul = MatMul { transpose_a: true, transpose_b: false };

/// An optimizer's step.
pub trait Step: Op + Clone {
    /// Name of the operator that makes the gradient as well.
    const LINEAR: &'static str;
    /// Inputs before those of the parameters.
    const SCALARS: usize;
    /// Inputs of each parameter.
    const PARTS: usize;
    /// Which parameters decay.
    fn decay(&mut self) -> &mut Vec<bool>;
}

impl Step for SgdStep {
    const LINEAR: &'static str = "LinearSgdStep";
    const SCALARS: usize = 2;
    const PARTS: usize = 3;

    fn decay(&mut self) -> &mut Vec<bool> {
        &mut self.decay
    }
}

impl Step for AdamStep {
    const LINEAR: &'static str = "LinearAdamStep";
    const SCALARS: usize = 4;
    const PARTS: usize = 4;

    fn decay(&mut self) -> &mut Vec<bool> {
        &mut self.decay
    }
}

/// A step of one parameter, the weights `w [K, O]` of a linear layer, whose gradient is the product xᵀ·d.
///
/// Inputs: the scalars of the step, `x [N, K]`, `d [N, O]`, `w`, then what the step keeps of it; and then any number of
/// values that are not looked at, but have to be there before `w` is written over. Outputs: those of the step.
#[derive(Debug, Clone)]
pub struct LinearStep<S>(pub S);

impl<S: Step> LinearStep<S> {
    /// Inputs that are looked at.
    const INPUTS: usize = S::SCALARS + S::PARTS + 1;

    /// Types of the inputs of the step alone.
    fn parameter(inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let Some(inputs) = inputs.get(..Self::INPUTS) else {
            return Err(ShapeError::new(format!("{} inputs wanted, {} given", Self::INPUTS, inputs.len())));
        };
        let (scalars, tensors) = inputs.split_at(S::SCALARS);
        let gradient = GRADIENT.infer(&tensors[..2])?;
        let parts = [&tensors[2..3], &[&gradient[0]], &tensors[3..]].concat();
        Ok(scalars.iter().chain(&parts).map(|&ty| ty.clone()).collect())
    }
}

impl<S: Step> Op for LinearStep<S> {
    fn name(&self) -> &'static str {
        S::LINEAR
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        self.0.infer(&Self::parameter(inputs)?.iter().collect::<Vec<_>>())
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let types: Vec<TensorType> = (0..s.input_count()).map(|i| s.input_type(i).clone()).collect();
        let parameter = s.shaped(Self::parameter(&types.iter().collect::<Vec<_>>()))?;
        let mut inputs: Vec<_> = (0..Self::INPUTS).map(|i| s.input(i)).collect();
        let factors: Vec<_> = inputs.drain(S::SCALARS..S::SCALARS + 2).collect();
        let product: Arc<dyn Op> = Arc::new(GRADIENT);
        let gradient = s.part(&product, &types[S::SCALARS..S::SCALARS + 2], factors)?;
        inputs.insert(S::SCALARS + 1, gradient[0]);
        let step: Arc<dyn Op> = Arc::new(self.0.clone());
        let made = s.part(&step, &parameter, inputs)?;
        made.into_iter().enumerate().for_each(|(i, term)| s.output(i, term));
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        let parameter = Self::parameter(inputs).ok()?;
        let kernel = self.0.kernel(&parameter.iter().collect::<Vec<_>>())?;
        Some(Kernel { op_type: S::LINEAR, ..kernel })
    }

    fn macs(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        GRADIENT.macs(&inputs[S::SCALARS..S::SCALARS + 2], &[])
    }
}

/// Scalars, `x`, `d`, so many parts of weights, of which the last may have to be positive, and something to wait for.
fn feeds([n, k, o]: [usize; 3], scalars: usize, parts: usize) -> Vec<Feed> {
    let mut all = vec![Feed::Positive(vec![]); scalars];
    all.extend([Feed::Normal(vec![n, k]), Feed::Normal(vec![n, o])]);
    all.extend(vec![Feed::Normal(vec![k, o]); parts - 1]);
    all.extend([Feed::Positive(vec![k, o]), Feed::Normal(vec![k])]);
    all
}

/// Gradient descent with momentum.
pub static SGD: Entry = Entry {
    name: "LinearSgdStep",
    doc: "Step of gradient descent with Nesterov momentum on the weights of a linear layer, with their gradient",
    differentiable: false,
    cases: || {
        let case =
            |extents, decays| Case::new(LinearStep(SgdStep { momentum: 0.9, decay: vec![decays] }), feeds(extents, 2, 2));
        vec![case([3, 5, 7], true), case([1, 1, 1], false), case([33, 49, 17], true), case([300, 14, 1060], false)]
    },
};
/// Adam and AdamW.
pub static ADAM: Entry = Entry {
    name: "LinearAdamStep",
    doc: "Step of Adam or AdamW on the weights of a linear layer, with their gradient",
    differentiable: false,
    cases: || {
        let case = |extents, decoupled, decays| {
            let step = AdamStep { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled, decay: vec![decays] };
            Case::new(LinearStep(step), feeds(extents, 4, 3))
        };
        vec![case([3, 5, 7], true, true), case([2, 13, 32], false, true), case([64, 61, 50], true, false)]
    },
};
