//! How numbers and categories of tables enter the net.

use super::{Edit, Kind, Mutation, repaired, with_table};
use crate::genome::{
    choice::{CategoricalKind, Choice},
    draw::{above, below, log_uniform, nearest, one_of},
    genes::{CategoricalEncoding, Genome, Net, NumericEncoding, TableNet},
    space::{Limits, SearchSpace, TableLimits},
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

pub(super) static NUMERIC: Mutation = Mutation {
    name: "numeric",
    doc: "exchanges the encoding of numbers",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    growing: false,
    apply: numeric,
};

fn numeric(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let (limits, net) = tables(space, parent)?;
    let dim = match net.numeric {
        NumericEncoding::Plain => nearest(&limits.encoding_dims, 8),
        NumericEncoding::Piecewise { dim, .. } | NumericEncoding::Periodic { dim, .. } => dim,
    };
    let piecewise = one_of(rng, &limits.bins).map(|bins| NumericEncoding::Piecewise { bins, dim });
    let sigma = limits.sigma.draw_within(rng, 0.05, 1.0);
    let periodic = one_of(rng, &limits.frequencies).map(|frequencies| NumericEncoding::Periodic { frequencies, sigma, dim });
    let mut others: Vec<NumericEncoding> =
        [Some(NumericEncoding::Plain), piecewise, periodic].into_iter().flatten().collect();
    others.retain(|other| other.kind() != net.numeric.kind() && limits.numeric.contains(&other.kind()));
    let new = one_of(rng, &others)?;
    let words = format!("numeric {} → {}", net.numeric.kind().name(), new.kind().name());
    repaired(space, parent, with_table(parent, TableNet { numeric: new, ..net.clone() }), words)
}

pub(super) static NUMERIC_SIZE: Mutation = Mutation {
    name: "numeric_size",
    doc: "changes the bins, frequencies, spread or outputs of the encoding of numbers",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    growing: false,
    apply: numeric_size,
};

fn numeric_size(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let (limits, net) = tables(space, parent)?;
    let mut child = net.clone();
    let words = match &mut child.numeric {
        NumericEncoding::Plain => return None,
        NumericEncoding::Piecewise { bins, dim } => {
            if rng.random_bool(0.5) {
                stepped(rng, "bins", &limits.bins, bins)?
            } else {
                stepped(rng, "dim", &limits.encoding_dims, dim)?
            }
        }
        NumericEncoding::Periodic { frequencies, sigma, dim } => match rng.random_range(0..3) {
            0 => stepped(rng, "frequencies", &limits.frequencies, frequencies)?,
            1 => stepped(rng, "dim", &limits.encoding_dims, dim)?,
            _ => {
                let factor = log_uniform(rng, 1.3, 4.0);
                let old = *sigma;
                *sigma = limits.sigma.towards(old, if rng.random_bool(0.5) { old * factor } else { old / factor })?;
                format!("sigma {old} → {sigma}")
            }
        },
    };
    repaired(space, parent, with_table(parent, child), format!("numeric {words}"))
}

pub(super) static CATEGORICAL: Mutation = Mutation {
    name: "categorical",
    doc: "exchanges one-hot and embedded categories, or changes the length of the vectors",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    growing: false,
    apply: categorical,
};

fn categorical(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let (limits, net) = tables(space, parent)?;
    let mut child = net.clone();
    let words = match &mut child.categorical {
        CategoricalEncoding::OneHot => {
            let dim = one_of(rng, &limits.embedding_dims)?;
            if !limits.categorical.contains(&CategoricalKind::Embedding) {
                return None;
            }
            child.categorical = CategoricalEncoding::Embedding { dim };
            format!("one_hot → embedding {dim}")
        }
        CategoricalEncoding::Embedding { dim }
            if rng.random_bool(0.5) || !limits.categorical.contains(&CategoricalKind::OneHot) =>
        {
            stepped(rng, "dim", &limits.embedding_dims, dim)?
        }
        CategoricalEncoding::Embedding { .. } => {
            child.categorical = CategoricalEncoding::OneHot;
            "embedding → one_hot".to_owned()
        }
    };
    repaired(space, parent, with_table(parent, child), format!("categorical {words}"))
}

fn tables<'a>(space: &'a SearchSpace, parent: &'a Genome) -> Option<(&'a TableLimits, &'a TableNet)> {
    match (&space.limits, &parent.net) {
        (Limits::Table(limits), Net::Table(net)) => Some((limits, net)),
        _ => None,
    }
}

/// Moves a size to the next choice up or down.
fn stepped(rng: &mut ChaCha8Rng, gene: &str, choices: &[usize], size: &mut usize) -> Option<String> {
    let old = *size;
    let near: Vec<usize> = below(choices, old).into_iter().chain(above(choices, old)).collect();
    *size = one_of(rng, &near)?;
    Some(format!("{gene} {old} → {size}"))
}
