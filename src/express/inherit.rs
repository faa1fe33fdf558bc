//! Starting a net from the trained weights of another.
//!
//! Parameters are matched by name, after the names of blocks are translated by the alignment of the two genomes. Along
//! output axes, what is new is drawn afresh; along input axes and around kernels, what is new is zero: a net that grew
//! computes what it did before (Chen et al., 2016, "Net2Net", with zero padding in place of replication). Where a group
//! of channels shrinks, those of least norm are dropped.

use super::net::{Axes, Param, Segment};
use super::{inference, initialise};
use crate::data::Task;
use crate::genome::{Alignment, Genome, align};
use crate::graph::{Dim, GraphError, Tensor};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, HashMap};

/// Weights for `child` from those of `parent`; what has no counterpart is drawn as for a new net.
///
/// # Errors
/// Where a genome does not fit the task.
pub fn inherit(
    parent: &Genome,
    weights: &BTreeMap<String, Tensor>,
    child: &Genome,
    task: &Task,
    rng: &mut ChaCha8Rng,
) -> Result<BTreeMap<String, Tensor>, GraphError> {
    let old: HashMap<String, Param> =
        inference(parent, task, Dim::Batch)?.params.into_iter().map(|p| (p.name.clone(), p)).collect();
    let new = inference(child, task, Dim::Batch)?.params;
    let alignment = align(parent, child);
    let mut kept = Kept { old: &old, weights, chosen: HashMap::new() };
    let mut inherited = BTreeMap::new();
    for param in &new {
        let fresh = initialise(param, child.training.initialisation, rng);
        let source = parent_name(&alignment, &param.name).and_then(|name| Some((old.get(&name)?, weights.get(&name)?)));
        let tensor = match source {
            Some((from, trained)) if from.shape.len() == param.shape.len() => kept.transfer(from, trained, param, fresh),
            _ => fresh,
        };
        inherited.insert(param.name.clone(), tensor);
    }
    Ok(inherited)
}

/// Name of the parent's parameter that a child's continues: the same outside of blocks, `None` in a new block.
fn parent_name(alignment: &Alignment, name: &str) -> Option<String> {
    match alignment.blocks.iter().find(|(path, _)| name.strip_prefix(path.as_str()).is_some_and(|r| r.starts_with('.'))) {
        Some((path, Some(parent))) => Some(format!("{parent}{}", &name[path.len()..])),
        Some((_, None)) => None,
        None => Some(name.to_owned()),
    }
}

/// Where each index of an axis of the child comes from in the parent.
type Map = Vec<Option<usize>>;

/// Which channels of a shrinking group stay.
struct Kept<'a> {
    old: &'a HashMap<String, Param>,
    weights: &'a BTreeMap<String, Tensor>,
    chosen: HashMap<(String, usize), Vec<usize>>,
}

impl Kept<'_> {
    fn transfer(&mut self, from: &Param, trained: &Tensor, to: &Param, fresh: Tensor) -> Tensor {
        let maps: Vec<Map> = (0..to.shape.len()).map(|axis| self.axis(from, to, axis)).collect();
        let (Some(old), Some(drawn)) = (trained.as_f32(), fresh.as_f32()) else { return fresh };
        let input = to.axes.input.as_ref().map(|(axis, _)| *axis);
        let padded: Vec<bool> = (0..to.shape.len()).map(|a| input == Some(a) || to.axes.kernel.contains(&a)).collect();
        let mut values = Vec::with_capacity(drawn.len());
        let mut index = vec![0; to.shape.len()];
        for &draw in drawn {
            let places: Vec<Option<usize>> = index.iter().zip(&maps).map(|(&i, map)| map[i]).collect();
            let outside = |wanted: bool| places.iter().zip(&padded).any(|(p, &pad)| p.is_none() && pad == wanted);
            values.push(if outside(true) {
                0.0
            } else if outside(false) {
                draw
            } else {
                let flat = places.iter().zip(&from.shape).fold(0, |sum, (p, extent)| sum * extent + p.unwrap_or(0));
                old[flat]
            });
            advance(&mut index, &to.shape);
        }
        Tensor::f32(&to.shape, values)
    }

    fn axis(&mut self, from: &Param, to: &Param, axis: usize) -> Map {
        let (old, new) = (from.shape[axis], to.shape[axis]);
        if to.axes.kernel.contains(&axis) {
            // Odd kernels share their centre.
            let shift = (new as isize - old as isize) / 2;
            return (0..new).map(|i| usize::try_from(i as isize - shift).ok().filter(|&j| j < old)).collect();
        }
        match (segments(&from.axes, axis), segments(&to.axes, axis)) {
            (Some(old), Some(new)) => self.by_segment(old, new),
            _ => (0..new).map(|i| (i < old).then_some(i)).collect(),
        }
    }

    fn by_segment(&mut self, old: &[Segment], new: &[Segment]) -> Map {
        let mut map = vec![];
        let mut start = 0;
        for (i, segment) in new.iter().enumerate() {
            match old.get(i) {
                Some(before) if segment.extent < before.extent => {
                    let kept = self.strongest(before, segment.extent);
                    map.extend(kept.iter().map(|&j| Some(start + j)));
                }
                Some(before) => map.extend((0..segment.extent).map(|j| (j < before.extent).then_some(start + j))),
                None => map.extend(std::iter::repeat_n(None, segment.extent)),
            }
            start += old.get(i).map_or(0, |s| s.extent);
        }
        map
    }

    /// The `count` channels of a group with the largest norm of the weights that make them, in their order.
    fn strongest(&mut self, group: &Segment, count: usize) -> Vec<usize> {
        if let Some(kept) = self.chosen.get(&(group.group.clone(), count)) {
            return kept.clone();
        }
        let mut norms = vec![0.0_f64; group.extent];
        let mut makers: Vec<&Param> = self.old.values().filter(|p| p.decay).collect();
        makers.sort_by(|a, b| a.name.cmp(&b.name));
        for param in makers {
            if let (Some((axis, parts)), Some(tensor)) = (&param.axes.output, self.weights.get(&param.name)) {
                add_norms(&mut norms, &group.group, param, *axis, parts, tensor);
            }
        }
        let mut order: Vec<usize> = (0..group.extent).collect();
        order.sort_by(|&a, &b| norms[b].total_cmp(&norms[a]).then(a.cmp(&b)));
        order.truncate(count);
        order.sort_unstable();
        self.chosen.insert((group.group.clone(), count), order.clone());
        order
    }
}

fn segments(axes: &Axes, axis: usize) -> Option<&[Segment]> {
    [&axes.output, &axes.input].into_iter().flatten().find(|(a, _)| *a == axis).map(|(_, s)| s.as_slice())
}

/// Adds the squares of a parameter's elements to the norms of the channels of `group` that they make.
fn add_norms(norms: &mut [f64], group: &str, param: &Param, axis: usize, parts: &[Segment], tensor: &Tensor) {
    let Some(values) = tensor.as_f32() else { return };
    let inner: usize = param.shape[axis + 1..].iter().product();
    let mut owner = vec![];
    for part in parts {
        owner.extend((0..part.extent).map(|j| (part.group == group).then_some(j)));
    }
    for (i, v) in values.iter().enumerate() {
        if let Some(Some(j)) = owner.get(i / inner % param.shape[axis]) {
            norms[*j] += f64::from(*v) * f64::from(*v);
        }
    }
}

/// The next index in row-major order.
fn advance(index: &mut [usize], shape: &[usize]) {
    for axis in (0..index.len()).rev() {
        index[axis] += 1;
        if index[axis] < shape[axis] {
            return;
        }
        index[axis] = 0;
    }
}
