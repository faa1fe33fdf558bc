//! Kernels of the domain `evolve.train`: fused operators that ONNX Runtime's CPU provider runs in training graphs.
//!
//! Adding one: a file with an [`Entry`], a line in [`ALL`], and [`crate::graph::Op::kernel`] of the operator it stands
//! for. A test compares every entry with its operator's standard spelling over the operator's cases; kernels of fused
//! operators, which that test names, are compared in whole nets.
//!
//! All kernels are float32, run on the calling thread, and work on images `[N, H, W, C]`. They are compiled for AVX-512, for
//! AVX2 with FMA and for any CPU of the architecture; the best that is there runs, or what [`CPU_VARIABLE`] names.
//! Convolutions and products of matrices fuse products into sums where the CPU can and give the same bits on all CPUs that
//! do; the others give the same bits on every CPU.

mod activation;
mod batch_norm;
mod channel_parts;
mod channel_sum;
mod channels;
mod conv;
mod cpu;
mod global_pool;
mod lanes;
mod layer_norm;
mod linear;
mod linear_step;
mod memory;
mod normalisation;
mod operator;
mod optimizer;
mod pool;
mod recycled;
mod regression_loss;
mod softmax_cross_entropy;
mod tile;
mod vector;

#[cfg(test)]
mod tests;

pub use self::cpu::CPU_VARIABLE;
use self::memory::{Memory, Tensor};
use self::operator::Registered;
use crate::graph::{KERNEL_DOMAIN, POPULATION_DOMAIN};
use ort::operator::{KernelContext, OperatorDomain};

/// What the list knows of a kernel.
pub struct Entry {
    /// Operator type in the domain.
    pub name: &'static str,
    /// How many inputs a node has.
    inputs: Arity,
    /// How many outputs a node has.
    outputs: Arity,
    /// Extents of the outputs from those of the inputs, or what is wrong with these.
    shapes: Shapes,
    /// The kernel of one node, made from the node's attributes.
    create: fn(&KernelContext<'_>) -> Result<Body, String>,
}

/// Number of inputs or outputs.
#[derive(Debug, Clone, Copy)]
enum Arity {
    /// This many.
    Exactly(usize),
    /// This many or more.
    AtLeast(usize),
}

/// How the extents of outputs follow.
#[derive(Clone, Copy)]
enum Shapes {
    /// From the extents of the inputs.
    OfInputs(fn(&[Vec<usize>]) -> OutputExtents),
    /// From these and the node's attributes.
    WithAttributes(fn(&KernelContext<'_>) -> Result<ShapeRule, String>),
}

/// What a kernel does with memory that has been checked.
enum Body {
    /// Reads inputs and fills outputs, none of which share memory.
    Apart(ApartBody),
    /// Reads inputs and fills outputs where an output may lie in the memory of an input.
    InPlace(InPlaceBody),
}

/// Extents of inputs to extents of outputs.
type ShapeRule = Box<dyn Fn(&[Vec<usize>]) -> OutputExtents + Send>;
/// Extents of each output, or what is wrong with the inputs.
type OutputExtents = Result<Vec<Vec<usize>>, String>;
/// Inputs to outputs, as slices, or what is wrong with them.
type ApartBody = Box<dyn FnMut(&[Tensor<'_>], &mut [&mut [f32]]) -> Result<(), String> + Send>;
/// Inputs to outputs, as memory that is copied in and out.
type InPlaceBody = Box<dyn FnMut(&[Memory], &[Memory]) + Send>;

/// Every kernel.
pub static ALL: &[&Entry] = &[
    &optimizer::SGD_STEP,
    &optimizer::ADAM_STEP,
    &softmax_cross_entropy::LOSS,
    &softmax_cross_entropy::GRADIENT,
    &regression_loss::SQUARED,
    &regression_loss::HUBER,
    &regression_loss::HUBER_GRADIENT,
    &activation::FORWARD,
    &activation::GRADIENT,
    &batch_norm::FORWARD,
    &batch_norm::GRADIENT,
    &batch_norm::PARAMETER_GRADIENT,
    &batch_norm::INFERENCE,
    &batch_norm::ADD,
    &linear::LINEAR,
    &linear::MAT_MUL,
    &linear_step::SGD,
    &linear_step::ADAM,
    &layer_norm::FORWARD,
    &layer_norm::GRADIENT,
    &conv::FORWARD,
    &conv::INPUT_GRADIENT,
    &conv::WEIGHT_GRADIENT,
    &conv::fused::FORWARD,
    &conv::fused::GRADIENT,
    &channel_sum::SUM,
    &channel_parts::CONCAT,
    &channel_parts::SLICE,
    &pool::MAX,
    &pool::MAX_GRADIENT,
    &pool::AVERAGE,
    &pool::AVERAGE_GRADIENT,
    &global_pool::AVERAGE,
    &global_pool::AVERAGE_GRADIENT,
    &global_pool::MAX,
    &global_pool::MAX_GRADIENT,
];

/// The domains with all kernels, for one net and for populations, to be given to each session that runs them. ONNX Runtime
/// must be loaded.
///
/// # Errors
/// Where ONNX Runtime refuses a kernel, or [`CPU_VARIABLE`] names no kind of CPU that is there.
pub fn domains() -> ort::Result<[OperatorDomain; 2]> {
    cpu::chosen().map_err(ort::Error::new)?;
    let domain = |name, population| {
        let with = |domain: OperatorDomain, &entry: &&'static Entry| domain.add(Registered { entry, population });
        ALL.iter().try_fold(OperatorDomain::new(name)?, with)
    };
    Ok([domain(KERNEL_DOMAIN, false)?, domain(POPULATION_DOMAIN, true)?])
}

/// An attribute that every node of the kernel has.
fn attribute<'c, T: ort::operator::FromKernelContext<'c>>(context: &KernelContext<'c>, name: &str) -> Result<T, String> {
    context.get::<T>(name).ok_or_else(|| format!("attribute {name} is missing or of another type"))
}
