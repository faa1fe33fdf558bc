//! Genomes: what a net is made of and how it is trained, without weights.

mod domain;
mod genes;

pub use domain::{Domain, InputDomain};
pub use genes::{
    Act, Augmentation, CategoricalEncoding, ConvBlock, ConvMotif, Downsample, Genome, GlobalPool, Head, ImageNet,
    Initialisation, Loss, Net, Norm, NumericEncoding, Optimizer, Schedule, Stage, Stem, TableBlock, TableMotif, TableNet,
    Training,
};
