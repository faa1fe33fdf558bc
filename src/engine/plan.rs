//! Comparing a [`Plan`] with the inputs and outputs of a model.

use super::{Plan, Port, Resident, Slot, StateSlot};
use crate::graph::DType;

impl Plan {
    /// Checks that the model has what the plan names, with the same types, and no input that the plan leaves unfed.
    ///
    /// # Errors
    /// Everything that does not fit, in words.
    pub(super) fn check(&self, inputs: &[Port], outputs: &[Port]) -> Result<(), String> {
        let mut problems = Vec::new();
        for feed in &self.feeds {
            if !matches!(feed.dtype, DType::F32 | DType::I64 | DType::U8) {
                problems.push(format!("{:?} is of {}, which cannot be fed step by step", feed.name, feed.dtype));
            }
            problems.extend(compare("input", feed, inputs));
        }
        let resident = self.resident.iter().flat_map(Resident::slots);
        problems.extend(resident.clone().filter_map(|slot| compare("input", slot, inputs)));
        for fetch in &self.fetches {
            if fetch.dtype != DType::F32 {
                problems.push(format!("{:?} is of {}; float32 can be fetched", fetch.name, fetch.dtype));
            }
            problems.extend(compare("output", fetch, outputs));
        }
        for state in &self.state {
            problems.extend(compare("input", &state.reader(), inputs));
            problems.extend(state.writer().and_then(|slot| compare("output", &slot, outputs)));
        }
        let fed = self.feeds.iter().chain(resident).map(|slot| slot.name.as_str());
        let mut named: Vec<&str> = fed.chain(self.state.iter().map(|s| s.input.as_str())).collect();
        named.sort_unstable();
        problems.extend(named.windows(2).filter(|w| w[0] == w[1]).map(|w| format!("input {:?} is named twice", w[0])));
        for port in inputs.iter().filter(|port| named.binary_search(&port.name.as_str()).is_err()) {
            problems.push(format!("input {:?} is not fed", port.name));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }
}

impl StateSlot {
    /// True where there are two tensors of it, which are read and written in turn.
    pub(super) fn alternates(&self) -> bool {
        self.output.is_some() && !self.in_place
    }

    fn reader(&self) -> Slot {
        Slot { name: self.input.clone(), dtype: DType::F32, shape: self.shape.clone() }
    }

    fn writer(&self) -> Option<Slot> {
        self.output.clone().map(|name| Slot { name, dtype: DType::F32, shape: self.shape.clone() })
    }
}

fn compare(role: &str, slot: &Slot, ports: &[Port]) -> Option<String> {
    let Some(port) = ports.iter().find(|port| port.name == slot.name) else {
        return Some(format!("the model has no {role} {:?}", slot.name));
    };
    let same_shape = port.shape.len() == slot.shape.len()
        && port.shape.iter().zip(&slot.shape).all(|(has, wanted)| has.is_none_or(|n| n == *wanted));
    (port.dtype != slot.dtype || !same_shape)
        .then(|| format!("{role} {:?} is {} in the model, not {}{:?}", slot.name, port.describe(), slot.dtype, slot.shape))
}

impl Port {
    /// Type in words, such as `float32[N, 3]`.
    pub(super) fn describe(&self) -> String {
        let extents: Vec<String> = self.shape.iter().map(|d| d.map_or("N".into(), |n| n.to_string())).collect();
        format!("{}[{}]", self.dtype, extents.join(", "))
    }
}

/// Checks that whole tensors fit the inputs of a model.
///
/// # Errors
/// The first that does not, in words.
pub(super) fn check_tensors(inputs: &[Port], tensors: &[crate::graph::Tensor]) -> Result<(), String> {
    if inputs.len() != tensors.len() {
        return Err(format!("{} tensors given for {} inputs", tensors.len(), inputs.len()));
    }
    for (port, tensor) in inputs.iter().zip(tensors) {
        let slot = Slot { name: port.name.clone(), dtype: tensor.data.dtype(), shape: tensor.shape.clone() };
        if let Some(problem) = compare("input", &slot, std::slice::from_ref(port)) {
            return Err(problem);
        }
    }
    Ok(())
}
