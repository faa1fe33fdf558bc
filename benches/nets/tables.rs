//! Nets for tables.

use super::{BATCH, classes, training};
use evolve::data::{InputSpec, NumericFeature, OutputSpec, Task, TaskKind};
use evolve::genome::{Act, CategoricalEncoding, Genome, Loss, Net, Norm, NumericEncoding, TableBlock, TableMotif, TableNet};

/// `mlp`, `wide`, `tabular` or `small_mlp`.
pub fn net(name: &str) -> Option<(Genome, Task)> {
    Some(match name {
        "mlp" => mlp(),
        "wide" => wide(),
        "tabular" => tabular(),
        "small_mlp" => small_mlp(),
        _ => return None,
    })
}

/// 784-256-128-10 with ReLU.
fn mlp() -> (Genome, Task) {
    let (kind, output) = classes();
    let net = TableNet { blocks: vec![block(TableMotif::Linear, 256), block(TableMotif::Linear, 128)], ..plain() };
    (
        Genome { net: Net::Table(net), training: training(BATCH, Loss::CrossEntropy) },
        Task { kind, input: features(784, &[]), output },
    )
}

/// 64-1024-1024-1024-1 with ReLU and squared error, 256 rows.
fn wide() -> (Genome, Task) {
    let net = TableNet { blocks: vec![block(TableMotif::Linear, 1024); 3], ..plain() };
    let output = OutputSpec::Value { mean: 0.0, std: 1.0 };
    (
        Genome { net: Net::Table(net), training: training(256, Loss::Mse) },
        Task { kind: TaskKind::Regression, input: features(64, &[]), output },
    )
}

/// 16 features, each in 16 bins as 12 numbers, then a layer of 256 and three residual blocks, all with batch norm.
fn tabular() -> (Genome, Task) {
    let (kind, output) = classes();
    let mut blocks = vec![block(TableMotif::Linear, 256)];
    blocks.extend([block(TableMotif::Residual, 256); 3]);
    let net = TableNet { numeric: NumericEncoding::Piecewise { bins: 16, dim: 12 }, norm: Norm::Batch, blocks, ..plain() };
    let knots: Vec<f32> = (0..=16).map(|i| i as f32 / 8.0 - 1.0).collect();
    (
        Genome { net: Net::Table(net), training: training(256, Loss::CrossEntropy) },
        Task { kind, input: features(16, &knots), output },
    )
}

/// 16-32-32-3 with ReLU, 32 rows.
fn small_mlp() -> (Genome, Task) {
    let names = (0..3).map(|c| c.to_string()).collect();
    let output = OutputSpec::Classes { names, integers: true, counts: vec![100; 3] };
    let net = TableNet { blocks: vec![block(TableMotif::Linear, 32); 2], ..plain() };
    (
        Genome { net: Net::Table(net), training: training(32, Loss::CrossEntropy) },
        Task { kind: TaskKind::Multiclass, input: features(16, &[]), output },
    )
}

/// A net without blocks, normalisation and encodings.
fn plain() -> TableNet {
    TableNet {
        numeric: NumericEncoding::Plain,
        categorical: CategoricalEncoding::OneHot,
        norm: Norm::None,
        activation: Act::Relu,
        blocks: vec![],
    }
}

fn block(motif: TableMotif, width: usize) -> TableBlock {
    TableBlock { motif, width, dropout: 0.0 }
}

/// Numeric features that all have these knots.
fn features(count: usize, knots: &[f32]) -> InputSpec {
    let numeric = (0..count).map(|i| NumericFeature { name: format!("f{i}"), knots: knots.to_vec() }).collect();
    InputSpec::Table { numeric, categorical: vec![] }
}
