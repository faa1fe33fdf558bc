//! Weights of the classes in the loss.

use super::metric::Metric;
use crate::data::{OutputSpec, Task};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::str::FromStr;

/// How much a row counts in the loss, by its class. Weights are scaled so that their mean over the rows of the training
/// part is 1: they shift attention between classes and leave the learning rate its meaning.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeights {
    /// As the metric wants it: balanced where it counts all classes alike, however rare, else none.
    #[default]
    Auto,
    /// Every row counts alike.
    None,
    /// Every class counts alike: a row by the inverse of its class's frequency.
    Balanced,
    /// So much for a row of each class; 1 for those that are not named.
    Given(BTreeMap<String, f32>),
}

/// Class weights do not fit a task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnfitClassWeights {
    /// The task has no classes.
    #[error("class weights are for tasks with classes, but a number is predicted; leave --class-weights out")]
    NoClasses,
    /// A class of that name does not exist.
    #[error("there is no class {name:?} to be given a weight; the classes are {classes}")]
    Unknown {
        /// The name given.
        name: String,
        /// Names of the classes.
        classes: String,
    },
}

impl FromStr for ClassWeights {
    type Err = String;

    /// Reads `auto`, `none`, `balanced`, or `NAME=WEIGHT` for some classes with commas between.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "auto" => return Ok(ClassWeights::Auto),
            "none" => return Ok(ClassWeights::None),
            "balanced" => return Ok(ClassWeights::Balanced),
            _ => {}
        }
        let mut given = BTreeMap::new();
        for part in text.split(',') {
            let wrong = || format!("{part:?} is neither auto, balanced, none nor a class with its weight, such as yes=3");
            let (name, weight) = part.rsplit_once('=').ok_or_else(wrong)?;
            let weight: f32 = weight.trim().parse().map_err(|_| wrong())?;
            if !(weight > 0.0 && weight.is_finite()) {
                return Err(format!("the weight of {name:?} must be above zero"));
            }
            if given.insert(name.trim().to_owned(), weight).is_some() {
                return Err(format!("{name:?} is given two weights"));
            }
        }
        Ok(ClassWeights::Given(given))
    }
}

impl ClassWeights {
    /// Whether they can be used for a task.
    ///
    /// # Errors
    /// Where it has no classes to be weighed, or none of a name given.
    pub fn check(&self, task: &Task) -> Result<(), UnfitClassWeights> {
        match (self, &task.output) {
            (ClassWeights::Auto | ClassWeights::None, _) => Ok(()),
            (_, OutputSpec::Value { .. }) => Err(UnfitClassWeights::NoClasses),
            (ClassWeights::Balanced, OutputSpec::Classes { .. }) => Ok(()),
            (ClassWeights::Given(given), OutputSpec::Classes { names, .. }) => {
                match given.keys().find(|name| !names.contains(name)) {
                    Some(name) => {
                        Err(UnfitClassWeights::Unknown { name: name.clone(), classes: crate::data::quoted(names) })
                    }
                    None => Ok(()),
                }
            }
        }
    }

    /// Weight of a row of each class; `None` where all rows count alike.
    pub fn of(&self, task: &Task, metric: &Metric) -> Option<Vec<f32>> {
        let OutputSpec::Classes { names, counts, .. } = &task.output else { return None };
        match self {
            ClassWeights::Auto if !metric.weighs_classes => None,
            ClassWeights::None => None,
            ClassWeights::Auto | ClassWeights::Balanced => {
                let total: usize = counts.iter().sum();
                Some(counts.iter().map(|&n| total as f32 / (names.len() * n.max(1)) as f32).collect())
            }
            ClassWeights::Given(given) => {
                let weights: Vec<f32> = names.iter().map(|name| given.get(name).copied().unwrap_or(1.0)).collect();
                let rows: usize = counts.iter().sum();
                let sum: f32 = weights.iter().zip(counts).map(|(weight, &n)| weight * n as f32).sum();
                let mean = if sum > 0.0 { sum / rows as f32 } else { 1.0 };
                Some(weights.into_iter().map(|weight| weight / mean).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{InputSpec, TaskKind};
    use crate::train::metric;

    fn task(output: OutputSpec) -> Task {
        let input = InputSpec::Table { numeric: vec![], categorical: vec![] };
        Task { kind: TaskKind::Binary, input, output }
    }

    fn classes() -> Task {
        let names = vec!["no".to_owned(), "yes".to_owned()];
        task(OutputSpec::Classes { names, integers: false, counts: vec![90, 10] })
    }

    fn weights(text: &str, metric: &str) -> Option<Vec<f32>> {
        let metric = metric::find(metric, TaskKind::Binary).unwrap();
        text.parse::<ClassWeights>().unwrap().of(&classes(), metric)
    }

    #[test]
    fn rows_weigh_one_on_average() {
        assert_eq!(weights("none", "balanced_accuracy"), None);
        assert_eq!(weights("auto", "accuracy"), None);
        assert_eq!(weights("auto", "balanced_accuracy"), weights("balanced", "accuracy"));
        assert_eq!(weights("balanced", "accuracy"), Some(vec![100.0 / 180.0, 5.0]));
        for text in ["balanced", "yes=5", "yes=0.1,no=7"] {
            let weights = weights(text, "accuracy").unwrap();
            assert!((90.0 * weights[0] + 10.0 * weights[1] - 100.0).abs() < 1e-3, "{text}: {weights:?}");
        }
        let given = weights("yes=5", "accuracy").unwrap();
        assert!((given[1] / given[0] - 5.0).abs() < 1e-5);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for wrong in ["", "heavy", "yes=0", "yes=-1", "yes=inf", "yes=2,yes=3", "yes=two"] {
            assert!(wrong.parse::<ClassWeights>().is_err(), "{wrong}");
        }
        let given: ClassWeights = "maybe=2".parse().unwrap();
        let error = given.check(&classes()).unwrap_err().to_string();
        assert_eq!(error, r#"there is no class "maybe" to be given a weight; the classes are "no", "yes""#);
        let value = task(OutputSpec::Value { mean: 0.0, std: 1.0 });
        assert_eq!(ClassWeights::Balanced.check(&value), Err(UnfitClassWeights::NoClasses));
        assert_eq!(ClassWeights::Auto.check(&value), Ok(()));
    }
}
