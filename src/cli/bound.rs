//! `--constraint`: bounds on what is known of a net before it is trained, and on what is measured afterwards.

use crate::{
    genome::{BadConstraint, Constraint},
    study::{Cap, objective::BadCap},
};
use std::str::FromStr;

/// A bound on the command line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// On the graph: no net above it is ever proposed.
    Space(Constraint),
    /// On what is measured: a candidate above it is infeasible.
    Measured(Cap),
}

/// A text that is no bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub enum BadBound {
    /// Not of the form COST<NUMBER.
    Constraint(#[from] BadConstraint),
    /// Neither that of a constraint nor of a cap.
    Cap(#[from] BadCap),
}

impl FromStr for Bound {
    type Err = BadBound;

    fn from_str(text: &str) -> Result<Self, BadBound> {
        match text.parse::<Constraint>() {
            Ok(constraint) => Ok(Bound::Space(constraint)),
            Err(BadConstraint::Cost(_)) => Ok(Bound::Measured(text.parse()?)),
            Err(other) => Err(other.into()),
        }
    }
}

impl Bound {
    /// The bounds of both kinds, each in their order.
    pub fn sorted(bounds: &[Bound]) -> (Vec<Constraint>, Vec<Cap>) {
        let (mut constraints, mut caps) = (vec![], vec![]);
        for bound in bounds {
            match *bound {
                Bound::Space(constraint) => constraints.push(constraint),
                Bound::Measured(cap) => caps.push(cap),
            }
        }
        (constraints, caps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_the_graph_are_told_from_those_of_measurements() {
        let bounds = ["params<10k", "size<200k", "macs<=1M", "latency<2", "memory<1.5m", "latency_batch<300us"];
        let bounds = bounds.map(|text| text.parse::<Bound>().unwrap());
        let (constraints, caps) = Bound::sorted(&bounds);
        let words = |items: Vec<String>| items.join(" ");
        assert_eq!(words(constraints.iter().map(ToString::to_string).collect()), "params<=10000 macs<=1000000");
        let caps = words(caps.iter().map(ToString::to_string).collect());
        assert_eq!(caps, "size<=200000 latency<=2 memory<=1500000 latency_batch<=0.3");
    }
}
