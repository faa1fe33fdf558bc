//! Passes: graph in, graph out, the same function.

mod fold_batch_norm;
mod fuse;
mod population;
mod rebuilt;
mod resident;

pub use fold_batch_norm::fold_batch_norm;
pub use fuse::fuse;
pub use population::population;
pub use resident::{ROWS, ResidentInput, resident};
