//! Where channels stand in memory. In a [`Graph`](crate::graph::Graph) every image is `[N, C, H, W]`; the CPU's kernels
//! work on `[N, H, W, C]`. In a population both have a leading axis of members. Values stay in the order in which they were
//! made until an operator wants the other one.

use super::{Attribute, Attributes, Term};
use crate::graph::{Node, Op, TensorType, Value};
use std::sync::Arc;

/// Order of an image's axes in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// N, C, H, W, as in the graph.
    ChannelsFirst,
    /// N, H, W, C.
    ChannelsLast,
}

impl Layout {
    /// The attribute of the ONNX `Transpose` that brings the other layout of a value of this rank into this one.
    pub(super) fn transposition(self, rank: usize) -> Attributes {
        let image = match self {
            Layout::ChannelsFirst => [0, 3, 1, 2],
            Layout::ChannelsLast => [0, 2, 3, 1],
        };
        let leading = rank.saturating_sub(image.len()) as i64;
        let perm = (0..leading).chain(image.map(|axis| axis + leading)).collect();
        vec![("perm", Attribute::Ints(perm))]
    }

    /// The layout of an input or output of a kernel that has images at `positions`, each for all members of a population
    /// or one.
    pub(super) fn at(positions: &[usize], i: usize, ty: &TensorType, population: bool) -> Layout {
        let image = ty.shape.rank() == 4 + usize::from(population);
        if image && positions.contains(&i) { Layout::ChannelsLast } else { Layout::ChannelsFirst }
    }

    /// The layout of a value that an operator without a kernel reads or writes, where its images lie as this says.
    pub(super) fn of_image(self, ty: &TensorType) -> Layout {
        if matches!(ty.shape.rank(), 4 | 5) { self } else { Layout::ChannelsFirst }
    }
}

/// The term of a value in each layout that something wanted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Terms {
    first: Option<Term>,
    last: Option<Term>,
}

impl Terms {
    /// The term in a layout, if there is one.
    pub(super) fn get(self, layout: Layout) -> Option<Term> {
        match layout {
            Layout::ChannelsFirst => self.first,
            Layout::ChannelsLast => self.last,
        }
    }

    /// Keeps the term in a layout.
    pub(super) fn set(&mut self, layout: Layout, term: Term) {
        match layout {
            Layout::ChannelsFirst => self.first = Some(term),
            Layout::ChannelsLast => self.last = Some(term),
        }
    }

    /// Whether the value was made with the channels last, and nothing has wanted it otherwise.
    fn only_last(self) -> bool {
        self.first.is_none() && self.last.is_some()
    }
}

/// The operator in place of `node`'s that reads and writes images with the channels last, if one of its inputs lies so
/// and there is such an operator.
pub(super) fn stays_last(node: &Node, inputs: &[&TensorType], terms: impl Fn(Value) -> Terms) -> Option<Arc<dyn Op>> {
    node.inputs.iter().any(|&v| terms(v).only_last()).then(|| node.op.channels_last(inputs)).flatten()
}
