//! A space from Rust: the preset of a domain with some of its choices changed.

use super::{ImageLimits, Limits, SearchSpace, SpaceError, TableLimits, TrainingLimits, check::OTHER_KIND, file};
use crate::genome::domain::Domain;

/// Changes the preset of a domain, choice by choice. Made by [`SearchSpace::builder`].
#[derive(Debug, Clone)]
pub struct Builder {
    space: SearchSpace,
    error: Option<SpaceError>,
}

impl SearchSpace {
    /// Begins with [`SearchSpace::preset`]. What is not changed stays as it is there.
    ///
    /// ```
    /// use evolve::genome::{Act, Domain, InputDomain, OptimizerKind, Reals, SearchSpace, Span, TableMotif};
    ///
    /// // Two numbers with bins for a piecewise encoding, a category of five values; three classes.
    /// let input = InputDomain::Table { knots: vec![33, 33], slots: vec![7] };
    /// let domain = Domain { input, outputs: 3, classification: true, rows: 5_000 };
    /// let space = SearchSpace::builder(&domain)
    ///     .table(|nets| {
    ///         nets.activations = vec![Act::Relu];
    ///         nets.blocks = Span::new(2, 4);
    ///         nets.widths = nets.widths.clone().except(TableMotif::Gated, vec![32, 64]);
    ///     })
    ///     .training(|training| {
    ///         training.learning_rate = training.learning_rate.clone().except(OptimizerKind::Sgd, Reals::log(0.01, 0.1));
    ///         training.schedules.truncate(1);
    ///     })
    ///     .max_parameters(20_000)
    ///     .build()?;
    /// for seed in space.seeds() {
    ///     assert_eq!(space.contains(&seed), Ok(()));
    /// }
    ///
    /// let error = SearchSpace::builder(&domain).table(|nets| nets.blocks = Span::new(3, 2)).build().unwrap_err();
    /// assert_eq!(error.to_string(), "table.blocks: 3 to 2 has no number in it");
    /// # Ok::<(), evolve::genome::SpaceError>(())
    /// ```
    pub fn builder(domain: &Domain) -> Builder {
        Builder { space: SearchSpace::preset(domain), error: None }
    }
}

impl Builder {
    /// Changes choices for the training.
    #[must_use]
    pub fn training(mut self, change: impl FnOnce(&mut TrainingLimits)) -> Self {
        change(&mut self.space.training);
        self
    }

    /// Changes choices for nets for tables; an error of [`Builder::build`] where the domain is images.
    #[must_use]
    pub fn table(mut self, change: impl FnOnce(&mut TableLimits)) -> Self {
        match &mut self.space.limits {
            Limits::Table(limits) => change(limits),
            Limits::Image(_) => self.other_kind("table", OTHER_KIND.1),
        }
        self
    }

    /// Changes choices for nets for images; an error of [`Builder::build`] where the domain is a table.
    #[must_use]
    pub fn image(mut self, change: impl FnOnce(&mut ImageLimits)) -> Self {
        match &mut self.space.limits {
            Limits::Image(limits) => change(limits),
            Limits::Table(_) => self.other_kind("image", OTHER_KIND.0),
        }
        self
    }

    /// Sets the most trainable parameters.
    #[must_use]
    pub fn max_parameters(mut self, most: u64) -> Self {
        self.space.max_parameters = most;
        self
    }

    /// Sets the most multiply-accumulates for one row.
    #[must_use]
    pub fn max_macs(mut self, most: u64) -> Self {
        self.space.max_macs = most;
        self
    }

    /// Records ONNX operators that no exported net may have. [`crate::express::permitted`] excludes what leads to them.
    #[must_use]
    pub fn forbid<'a>(mut self, operators: impl IntoIterator<Item = &'a str>) -> Self {
        self.space.forbidden.extend(operators.into_iter().map(str::to_owned));
        self
    }

    /// The space. Lists of numbers may be in any order.
    ///
    /// # Errors
    /// Choices that make no sense, alone or together; each with its key in a file.
    pub fn build(mut self) -> Result<SearchSpace, SpaceError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        file::sort(&mut self.space);
        self.space.check()?;
        Ok(self.space)
    }

    fn other_kind(&mut self, key: &str, reason: &str) {
        let error = SpaceError::Contradiction { key: key.to_owned(), reason: reason.to_owned() };
        self.error.get_or_insert(error);
    }
}
