//! Many nets of one shape as one graph: every input and output of a graph gets a leading axis of members, each of which
//! is computed as alone.
//!
//! An operator with a kernel becomes one node that runs it for each member; others take all at once where they have a way
//! ([`Op::population`]), or are spelled for one member after the other. With kernels no way is taken that rounds otherwise,
//! so that a member's bits are those that it has alone.

use crate::graph::ops::shape::{Expand, Reshape};
use crate::graph::{
    Attribute, DType, Dim, Graph, GraphError, Kernel, Node, Op, Origin, Shape, ShapeError, Speller, Target, Tensor,
    TensorType, Value,
};
use std::sync::Arc;

/// The graph for so many members. What follows from constants alone is computed once and keeps its shape.
///
/// # Errors
/// Where an operator's form for populations refuses its inputs.
pub fn population(graph: &Graph, target: Target, members: usize) -> Result<Graph, GraphError> {
    let mut built = Built { from: graph, graph: Graph::new(), values: vec![None; graph.value_count()], members };
    for &input in graph.inputs() {
        if let Origin::Input(name) = graph.origin(input) {
            let ty = with_members(graph.ty(input), members);
            built.values[input.index()] = Some(Form::Each(built.graph.input(name.clone(), ty)));
        }
    }
    for node in graph.nodes() {
        built.graph.enter(node.scope.clone());
        let result = built.node(node, target);
        built.graph.leave();
        result?;
    }
    for (name, value) in graph.outputs() {
        let value = built.each(*value)?;
        built.graph.output(name.clone(), value);
    }
    Ok(built.graph)
}

/// What a value has become.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// One with a leading axis of members.
    Each(Value),
    /// The same for all members.
    Shared(Value),
}

struct Built<'g> {
    from: &'g Graph,
    graph: Graph,
    values: Vec<Option<Form>>,
    members: usize,
}

impl Built<'_> {
    fn node(&mut self, node: &Node, target: Target) -> Result<(), GraphError> {
        let forms: Vec<Form> = node.inputs.iter().map(|&v| self.form(v)).collect();
        if !forms.is_empty() && forms.iter().all(|form| matches!(form, Form::Shared(_))) {
            let inputs: Vec<Value> = forms.iter().map(|&(Form::Each(v) | Form::Shared(v))| v).collect();
            let outputs = self.graph.add_shared(node.op.clone(), &inputs)?;
            node.outputs.iter().zip(outputs).for_each(|(&old, new)| self.values[old.index()] = Some(Form::Shared(new)));
            return Ok(());
        }
        let types: Vec<&TensorType> = node.inputs.iter().map(|&v| self.from.ty(v)).collect();
        let has_kernel = target == Target::CpuKernels && node.op.kernel(&types).is_some();
        let at_once = if has_kernel { None } else { node.op.population(self.members, &types) };
        let outputs = match at_once.filter(|form| form.exact || target == Target::Portable) {
            Some(form) => self.at_once(node, &forms, form.op)?,
            None => None,
        };
        let outputs = match outputs {
            Some(outputs) => outputs,
            None => {
                let inputs = node.inputs.iter().map(|&v| self.each(v)).collect::<Result<Vec<Value>, GraphError>>()?;
                self.graph.add(Members { op: node.op.clone(), members: self.members }, &inputs)?
            }
        };
        node.outputs.iter().zip(outputs).for_each(|(&old, new)| self.values[old.index()] = Some(Form::Each(new)));
        Ok(())
    }

    /// Adds the operator that takes all members at once, if it takes these inputs and makes what is wanted of them.
    fn at_once(&mut self, node: &Node, forms: &[Form], op: Arc<dyn Op>) -> Result<Option<Vec<Value>>, GraphError> {
        let inputs = self.aligned(node, forms)?;
        let types: Vec<&TensorType> = inputs.iter().map(|&v| self.graph.ty(v)).collect();
        let wanted: Vec<TensorType> = node.outputs.iter().map(|&v| with_members(self.from.ty(v), self.members)).collect();
        match op.infer(&types) {
            Ok(made) if made == wanted => self.graph.add_shared(op, &inputs).map(Some),
            _ => Ok(None),
        }
    }

    fn form(&mut self, old: Value) -> Form {
        if let Some(form) = self.values[old.index()] {
            return form;
        }
        let Origin::Constant(tensor) = self.from.origin(old) else {
            unreachable!("{} stands before its readers", self.from.describe(old));
        };
        let form = Form::Shared(self.graph.constant(tensor.as_ref().clone()));
        self.values[old.index()] = Some(form);
        form
    }

    /// The value with a leading axis of members.
    fn each(&mut self, old: Value) -> Result<Value, GraphError> {
        match self.form(old) {
            Form::Each(value) => Ok(value),
            Form::Shared(value) => {
                let shape = with_members(self.graph.ty(value), self.members).shape;
                let each = self.graph.apply(Expand { shape }, &[value])?;
                self.values[old.index()] = Some(Form::Each(each));
                Ok(each)
            }
        }
    }

    /// The inputs of an operator that takes all members at once: those of fewer axes than others have axes of extent 1
    /// after that of the members.
    fn aligned(&mut self, node: &Node, forms: &[Form]) -> Result<Vec<Value>, GraphError> {
        let rank = node.inputs.iter().map(|&v| self.from.ty(v).shape.rank()).max().unwrap_or(0);
        let one = |(&old, &form): (&Value, &Form)| {
            let own = &self.from.ty(old).shape;
            if let (Form::Shared(scalar), 0) = (form, own.rank()) {
                return Ok(scalar);
            }
            let value = self.each(old)?;
            if own.rank() == rank {
                return Ok(value);
            }
            let ones = std::iter::repeat_n(Dim::Fixed(1), rank - own.rank());
            let shape = Shape([Dim::Fixed(self.members)].into_iter().chain(ones).chain(own.0.iter().copied()).collect());
            self.graph.apply(Reshape { shape }, &[value])
        };
        node.inputs.iter().zip(forms).map(one).collect()
    }
}

/// The type with a leading axis of members.
fn with_members(ty: &TensorType, members: usize) -> TensorType {
    ty.with_shape(ty.shape.behind(Dim::Fixed(members)))
}

/// An operator on each member of a population: inputs and outputs have a leading axis of members.
#[derive(Debug, Clone)]
struct Members {
    op: Arc<dyn Op>,
    members: usize,
}

impl Members {
    /// Types of one member's inputs.
    fn single(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let one = |ty: &&TensorType| match ty.shape.0.split_first() {
            Some((&Dim::Fixed(members), rest)) if members == self.members => Ok(ty.with_shape(Shape(rest.to_vec()))),
            _ => Err(ShapeError::new(format!("{} has no axis of {} members", ty.shape, self.members))),
        };
        inputs.iter().map(one).collect()
    }
}

impl Op for Members {
    fn name(&self) -> &'static str {
        self.op.name()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let single = self.single(inputs)?;
        let outputs = self.op.infer(&single.iter().collect::<Vec<_>>())?;
        Ok(outputs.iter().map(|ty| with_members(ty, self.members)).collect())
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let types: Vec<&TensorType> = (0..s.input_count()).map(|i| s.input_type(i)).collect();
        let single = s.shaped(self.single(&types))?;
        let mut outputs: Vec<Vec<_>> = vec![];
        for member in 0..self.members {
            let index = s.constant(Tensor::from_f64(DType::I64, &[], &[member as f64]));
            let inputs = (0..s.input_count())
                .map(|i| s.node("Gather", &[s.input(i), index], vec![("axis", Attribute::Int(0))]))
                .collect();
            let made = s.part(&self.op, &single, inputs)?;
            outputs.resize(made.len(), vec![]);
            let front = s.ints(&[0]);
            for (all, term) in outputs.iter_mut().zip(made) {
                all.push(s.node("Unsqueeze", &[term, front], vec![]));
            }
        }
        for (i, members) in outputs.iter().enumerate() {
            let all = s.node("Concat", members, vec![("axis", Attribute::Int(0))]);
            s.output(i, all);
        }
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        let single = self.single(inputs).ok()?;
        let kernel = self.op.kernel(&single.iter().collect::<Vec<_>>())?;
        Some(Kernel { population: true, ..kernel })
    }
}
