//! Bounds on what nets may cost.

use super::SearchSpace;
use crate::genome::{ancestor::AncestorNet, count::count, genes::Genome, genes::Net};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// A bound on a cost of a net, written like `params<100k` or `macs<=5M`; the bound itself is allowed in both forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Constraint {
    /// What is bounded.
    pub cost: Cost,
    /// The most there may be of it.
    pub most: u64,
}

/// A cost that can be bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// Trainable parameters.
    Parameters,
    /// Multiply-accumulates for one row at inference.
    Macs,
}

/// Every cost with the names that it has in constraints, the first of which is written.
const COSTS: [(Cost, &[&str]); 2] = [(Cost::Parameters, &["params", "parameters"]), (Cost::Macs, &["macs"])];

/// Suffixes of numbers.
const SUFFIXES: [(&str, f64); 3] = [("k", 1e3), ("m", 1e6), ("g", 1e9)];

/// A text that is no constraint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadConstraint {
    /// Not of the form COST<NUMBER.
    #[error("`{0}` is no constraint; write it like params<100k or macs<5M")]
    Form(String),
    /// Something else is to be bounded.
    #[error("`{0}` cannot be bounded; params and macs can")]
    Cost(String),
}

/// Constraints that no net satisfies.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unsatisfiable {
    /// The smallest net costs more.
    #[error("no net satisfies {constraint}: the smallest for this data has {least}")]
    Smallest {
        /// The constraint.
        constraint: Constraint,
        /// Least cost.
        least: u64,
    },
    /// An ancestor that was asked for costs more.
    #[error("{name} does not satisfy {constraint}: it has {cost}")]
    Ancestor {
        /// Name of the ancestor.
        name: String,
        /// The constraint.
        constraint: Constraint,
        /// Its cost as it starts.
        cost: u64,
    },
}

impl FromStr for Constraint {
    type Err = BadConstraint;

    fn from_str(text: &str) -> Result<Self, BadConstraint> {
        let form = || BadConstraint::Form(text.to_owned());
        let (name, bound) = text.split_once('<').ok_or_else(form)?;
        let (name, bound) = (name.trim(), bound.strip_prefix('=').unwrap_or(bound).trim().to_ascii_lowercase());
        let known = COSTS.iter().find(|(_, names)| names.contains(&name));
        let cost = known.ok_or_else(|| BadConstraint::Cost(name.to_owned()))?.0;
        let suffix = SUFFIXES.iter().find_map(|(suffix, factor)| Some((bound.strip_suffix(suffix)?, *factor)));
        let (number, factor) = suffix.unwrap_or((&bound, 1.0));
        let most = number.trim().parse::<f64>().map_err(|_| form())? * factor;
        if (1.0..1e18).contains(&most) { Ok(Constraint { cost, most: most as u64 }) } else { Err(form()) }
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = COSTS.iter().find(|(cost, _)| *cost == self.cost).map_or("", |(_, names)| names[0]);
        write!(f, "{names}<={}", self.most)
    }
}

impl TryFrom<String> for Constraint {
    type Error = BadConstraint;

    fn try_from(text: String) -> Result<Self, BadConstraint> {
        text.parse()
    }
}

impl From<Constraint> for String {
    fn from(constraint: Constraint) -> String {
        constraint.to_string()
    }
}

impl SearchSpace {
    /// The space without the nets that cost more. The ancestors have to be in it already.
    ///
    /// # Errors
    /// Where no net, or not an ancestor that was asked for, satisfies a constraint.
    pub fn with_constraints(mut self, constraints: &[Constraint]) -> Result<Self, Unsatisfiable> {
        let smallest = self.smallest_cost();
        for &constraint in constraints {
            let (cap, least) = match constraint.cost {
                Cost::Parameters => (&mut self.max_parameters, smallest.parameters),
                Cost::Macs => (&mut self.max_macs, smallest.macs),
            };
            if constraint.most < least {
                return Err(Unsatisfiable::Smallest { constraint, least });
            }
            *cap = constraint.most.min(*cap);
            self.check_ancestors(constraint)?;
        }
        self.constraints.extend(constraints);
        Ok(self)
    }

    fn check_ancestors(&self, constraint: Constraint) -> Result<(), Unsatisfiable> {
        for &name in &self.ancestors {
            let net = Net::Ancestor(self.home(name).unwrap_or(AncestorNet::published(name)));
            let tally = count(&Genome { net, training: self.plain().training }, &self.domain).unwrap_or_default();
            let cost = match constraint.cost {
                Cost::Parameters => tally.parameters,
                Cost::Macs => tally.macs,
            };
            if cost > constraint.most {
                return Err(Unsatisfiable::Ancestor { name: name.to_string(), constraint, cost });
            }
        }
        Ok(())
    }

    /// The most that the constraints allow of a cost.
    pub(super) fn bound(&self, cost: Cost) -> u64 {
        let bounds = self.constraints.iter().filter(|constraint| constraint.cost == cost);
        bounds.map(|constraint| constraint.most).min().unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::{Domain, InputDomain, ancestor, macs, mutation, parameters};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn space(input: InputDomain) -> SearchSpace {
        SearchSpace::preset(&Domain { input, outputs: 10, classification: true, rows: 10_000 })
    }

    #[test]
    fn constraints_are_read_and_written() {
        for (text, written) in
            [("params<100k", "params<=100000"), ("parameters <= 1.5M", "params<=1500000"), ("macs<7", "macs<=7")]
        {
            let constraint: Constraint = text.parse().unwrap();
            assert_eq!(constraint.to_string(), written);
            assert_eq!(written.parse(), Ok(constraint));
        }
        for text in ["", "params", "params<", "params>3", "params<x", "params<0", "params<-5", "params<inf", "params<nan"] {
            assert_eq!(text.parse::<Constraint>(), Err(BadConstraint::Form(text.to_owned())));
        }
        assert_eq!("latency<3".parse::<Constraint>(), Err(BadConstraint::Cost("latency".to_owned())));
    }

    #[test]
    fn no_birth_and_no_edit_breaks_a_constraint() {
        let inputs = [
            InputDomain::Table { knots: vec![32; 10], slots: vec![4] },
            InputDomain::Image { height: 32, width: 32, channels: 3 },
        ];
        for input in inputs {
            let bounds = ["params<6k".parse().unwrap(), "macs<1M".parse().unwrap()];
            let space = space(input).with_constraints(&bounds).unwrap();
            let mut rng = ChaCha8Rng::seed_from_u64(3);
            let fits =
                |genome: &Genome| parameters(genome, &space.domain) <= 6_000 && macs(genome, &space.domain) <= 1_000_000;
            assert!(space.seeds().iter().all(fits));
            for _ in 0..300 {
                let genome = space.birth(&mut rng);
                assert!(fits(&genome), "{genome:?}");
                for kind in mutation::ALL {
                    assert!((kind.apply)(&space, &genome, &mut rng).is_none_or(|edit| fits(&edit.genome)), "{}", kind.name);
                }
            }
        }
    }

    #[test]
    fn what_nothing_satisfies_is_refused() {
        let images = || space(InputDomain::Image { height: 64, width: 64, channels: 3 });
        let refused = images().with_constraints(&["params<3".parse().unwrap()]).unwrap_err();
        assert!(matches!(refused, Unsatisfiable::Smallest { least, .. } if least > 3), "{refused}");
        let vgg = images().with_ancestors(&[ancestor::find("vgg16").unwrap()]).unwrap();
        let refused = vgg.with_constraints(&["params<1M".parse().unwrap()]).unwrap_err();
        assert!(refused.to_string().starts_with("vgg16 does not satisfy params<=1000000: it has "), "{refused}");
    }
}
