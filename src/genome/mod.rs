//! Genomes: what a net is made of and how it is trained, without weights.

mod align;
mod alike;
pub mod ancestor;
mod canonical;
mod choice;
mod count;
pub mod crossover;
mod distance;
mod domain;
mod draw;
mod features;
mod genes;
mod morphism;
pub mod mutation;
mod shape;
mod space;

pub use align::{Alignment, align};
pub use ancestor::{Ancestor, AncestorNet};
pub(crate) use choice::near;
pub use choice::{CategoricalKind, Choice, NumericKind, OptimizerKind, UnknownChoice};
pub use count::{encoded_width, macs, parameters};
pub use distance::distance;
pub use domain::{Domain, InputDomain};
pub use features::{Feature, features, genes};
pub use genes::{
    Act, Augmentation, CategoricalEncoding, ConvBlock, ConvMotif, Downsample, Genome, GlobalPool, Head, ImageNet,
    Initialisation, Loss, Net, Norm, NumericEncoding, Optimizer, Schedule, Stage, Stem, TableBlock, TableMotif, TableNet,
    Training,
};
pub use morphism::preserves;
pub use shape::{BlockShape, ImageShape, Size, StageShape, bottleneck_width, dense_growth, downsampling, inception_width};
pub use space::{
    BadConstraint, BadSpaceFile, Builder, By, Constraint, Cost, ImageLimits, Limits, Part, Reals, ScaleLimits, SearchSpace,
    SpaceError, SpaceFile, Span, StemLimits, TableLimits, TrainingLimits, UnfitAncestor, Unsatisfiable,
};

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
