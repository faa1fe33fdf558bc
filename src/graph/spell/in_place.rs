//! Which inputs may lie in the memory of outputs that follow them.

use super::{Spelled, Term};
use crate::graph::TensorType;
use std::collections::{HashMap, HashSet};

impl Spelled {
    /// For each pair of an input and an output by name: whether both may be one tensor. The node that makes the output must
    /// allow it, and all other nodes that read the input must have run before it in whatever order nodes run.
    pub fn in_place<'n>(&self, pairs: impl IntoIterator<Item = (&'n str, &'n str)>) -> Vec<bool> {
        let makers: HashMap<Term, usize> =
            self.nodes.iter().enumerate().flat_map(|(i, node)| node.outputs.iter().map(move |&t| (t, i))).collect();
        let mut readers: HashMap<Term, Vec<usize>> = HashMap::new();
        for (i, node) in self.nodes.iter().enumerate() {
            node.inputs.iter().flatten().for_each(|&term| readers.entry(term).or_default().push(i));
        }
        let named = |terms: &[(Term, TensorType)], name: &str| {
            terms.iter().map(|(term, _)| *term).find(|term| self.names[term.index()] == name)
        };
        let mut before: HashMap<usize, HashSet<usize>> = HashMap::new();
        let mut one = |(input, output): (&str, &str)| {
            let (input, output) = (named(&self.inputs, input)?, named(&self.outputs, output)?);
            let maker = *makers.get(&output).filter(|_| self.overwriting.contains(&output))?;
            let before = before.entry(maker).or_insert_with(|| self.up_to(maker, &makers));
            Some(readers.get(&input)?.iter().all(|reader| before.contains(reader)))
        };
        pairs.into_iter().map(|pair| one(pair).unwrap_or(false)).collect()
    }

    /// A node and all on whose results it depends.
    fn up_to(&self, node: usize, makers: &HashMap<Term, usize>) -> HashSet<usize> {
        let (mut known, mut pending) = (HashSet::from([node]), vec![node]);
        while let Some(node) = pending.pop() {
            let sources = self.nodes[node].inputs.iter().flatten().filter_map(|term| makers.get(term));
            pending.extend(sources.filter(|&&source| known.insert(source)));
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::ops::activation::{Activation, ActivationKind};
    use crate::graph::ops::elementwise::{Binary, BinaryKind};
    use crate::graph::ops::optimizer::SgdStep;
    use crate::graph::{DType, Graph, Shape, Target, TensorType, spell};

    /// Two weights, each read by the gradient of the other, in one step or in two; the second is read once more.
    fn graph(steps: &[&[usize]]) -> Graph {
        let mut graph = Graph::new();
        let input = |graph: &mut Graph, name: &str, dims: &[usize]| {
            graph.input(name, TensorType::new(DType::F32, Shape::fixed(dims)))
        };
        let [lr, wd] = ["lr", "wd"].map(|name| input(&mut graph, name, &[]));
        let weights = ["w0", "w1"].map(|name| input(&mut graph, name, &[3]));
        let velocities = ["v0", "v1"].map(|name| input(&mut graph, name, &[3]));
        let gradients = [1, 0].map(|i| graph.apply(Activation(ActivationKind::Tanh), &[weights[i]]).unwrap());
        for step in steps {
            let parts = step.iter().flat_map(|&i| [weights[i], gradients[i], velocities[i]]);
            let inputs: Vec<_> = [lr, wd].into_iter().chain(parts).collect();
            let made = graph.add(SgdStep { momentum: 0.9, decay: vec![true; step.len()] }, &inputs).unwrap();
            for (&i, made) in step.iter().zip(made.chunks(2)) {
                graph.output(format!("next.w{i}"), made[0]);
                graph.output(format!("next.v{i}"), made[1]);
            }
        }
        graph
    }

    const PAIRS: [(&str, &str); 4] = [("w0", "next.w0"), ("w1", "next.w1"), ("v0", "next.v0"), ("v1", "next.v1")];

    #[test]
    fn what_all_gradients_precede_is_written_in_place() {
        let spelled = spell(&graph(&[&[0, 1]]), Target::CpuKernels).unwrap();
        assert_eq!(spelled.in_place(PAIRS), [true; 4]);
        assert_eq!(spelled.in_place([("w0", "next.w2"), ("x", "next.w0"), ("next.w0", "next.w0")]), [false; 3]);
    }

    #[test]
    fn what_may_still_be_read_is_not() {
        let spelled = spell(&graph(&[&[0], &[1]]), Target::CpuKernels).unwrap();
        assert_eq!(spelled.in_place(PAIRS), [false, false, true, true]);
        let mut graph = graph(&[&[0, 1]]);
        let (w1, w0) = (graph.inputs()[3], graph.inputs()[2]);
        let late = graph.apply(Binary(BinaryKind::Add), &[w0, w0]).unwrap();
        graph.output("late", late);
        graph.output("w1.now", w1);
        let spelled = spell(&graph, Target::CpuKernels).unwrap();
        assert_eq!(spelled.in_place(PAIRS), [false, false, true, true]);
    }

    #[test]
    fn standard_operators_write_elsewhere() {
        let spelled = spell(&graph(&[&[0, 1]]), Target::Portable).unwrap();
        assert_eq!(spelled.in_place(PAIRS), [false; 4]);
    }
}
