//! Choices by name: what lists in files hold, and how mutations speak of genes. The names are those of the genes' JSON.

use super::genes::{
    Act, CategoricalEncoding, ConvMotif, Downsample, GlobalPool, Initialisation, Loss, Norm, NumericEncoding, Optimizer,
    Schedule, TableMotif,
};
use serde::{Deserialize, Serialize};
use std::fmt::Debug;

/// One of a few named values.
pub trait Choice: Copy + PartialEq + Debug + 'static {
    /// What it is one of, in words.
    const KIND: &'static str;
    /// Every value.
    const ALL: &'static [Self];

    /// Its name.
    fn name(self) -> &'static str;

    /// The value with this name.
    ///
    /// # Errors
    /// A name that none has; the error lists the near ones, or all.
    fn find(name: &str) -> Result<Self, UnknownChoice> {
        Self::ALL.iter().copied().find(|choice| choice.name() == name).ok_or_else(|| {
            let known: Vec<&'static str> = Self::ALL.iter().map(|choice| choice.name()).collect();
            UnknownChoice { kind: Self::KIND, name: name.to_owned(), near: near(name, &known), known }
        })
    }
}

/// A name that no value has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no {kind} {name:?}; {}", hint(near, known))]
pub struct UnknownChoice {
    /// What it should be one of.
    pub kind: &'static str,
    /// The name.
    pub name: String,
    /// Names like it, the nearest first.
    pub near: Vec<&'static str>,
    /// All names.
    pub known: Vec<&'static str>,
}

/// The names that are spelled much like `name`, the nearest first.
pub(crate) fn near<'a>(name: &str, known: &[&'a str]) -> Vec<&'a str> {
    let folded = name.to_lowercase();
    let likeness = |known: &str| strsim::jaro_winkler(&folded, &known.to_lowercase());
    let mut near: Vec<(f64, &'a str)> = known.iter().map(|&known| (likeness(known), known)).collect();
    near.retain(|(likeness, _)| *likeness > 0.8);
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    near.into_iter().map(|(_, name)| name).collect()
}

/// The near names in words, or all where none is near.
pub(super) fn hint(near: &[&str], known: &[&str]) -> String {
    if near.is_empty() { format!("known are {}", known.join(", ")) } else { format!("near names: {}", near.join(", ")) }
}

/// Kind of an optimizer, without its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerKind {
    /// [`Optimizer::Sgd`].
    Sgd,
    /// [`Optimizer::Adam`].
    Adam,
    /// [`Optimizer::AdamW`].
    AdamW,
}

impl Optimizer {
    /// Its kind.
    pub fn kind(&self) -> OptimizerKind {
        match self {
            Optimizer::Sgd { .. } => OptimizerKind::Sgd,
            Optimizer::Adam { .. } => OptimizerKind::Adam,
            Optimizer::AdamW { .. } => OptimizerKind::AdamW,
        }
    }
}

/// Kind of an encoding of numbers, without its sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumericKind {
    /// [`NumericEncoding::Plain`].
    Plain,
    /// [`NumericEncoding::Piecewise`].
    Piecewise,
    /// [`NumericEncoding::Periodic`].
    Periodic,
}

impl NumericEncoding {
    /// Its kind.
    pub fn kind(&self) -> NumericKind {
        match self {
            NumericEncoding::Plain => NumericKind::Plain,
            NumericEncoding::Piecewise { .. } => NumericKind::Piecewise,
            NumericEncoding::Periodic { .. } => NumericKind::Periodic,
        }
    }
}

/// Kind of an encoding of categories, without its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CategoricalKind {
    /// [`CategoricalEncoding::OneHot`].
    OneHot,
    /// [`CategoricalEncoding::Embedding`].
    Embedding,
}

impl CategoricalEncoding {
    /// Its kind.
    pub fn kind(&self) -> CategoricalKind {
        match self {
            CategoricalEncoding::OneHot => CategoricalKind::OneHot,
            CategoricalEncoding::Embedding { .. } => CategoricalKind::Embedding,
        }
    }
}

macro_rules! choices {
    ($($kind:literal: $type:ident { $($variant:ident = $name:literal),+ $(,)? })+) => {$(
        impl Choice for $type {
            const KIND: &'static str = $kind;
            const ALL: &'static [Self] = &[$($type::$variant),+];

            fn name(self) -> &'static str {
                match self {
                    $($type::$variant => $name),+
                }
            }
        }
    )+};
}

choices! {
    "activation": Act {
        Relu = "relu", LeakyRelu = "leaky_relu", Elu = "elu", Gelu = "gelu", Silu = "silu", Tanh = "tanh", Sigmoid = "sigmoid",
    }
    "normalisation": Norm { None = "none", Batch = "batch", Layer = "layer" }
    "motif of nets for tables": TableMotif { Linear = "linear", Residual = "residual", Gated = "gated" }
    "motif of nets for images": ConvMotif {
        ConvNormAct = "conv_norm_act", ConvAct = "conv_act", ConvDepthwise = "conv_depthwise", Residual = "residual",
        Bottleneck = "bottleneck", Inception = "inception", Dense = "dense",
    }
    "way of halving the resolution": Downsample {
        None = "none", MaxPool = "max_pool", AveragePool = "average_pool", Stride = "stride",
    }
    "pooling over the whole image": GlobalPool { Average = "average", Max = "max" }
    "encoding of numbers": NumericKind { Plain = "plain", Piecewise = "piecewise", Periodic = "periodic" }
    "encoding of categories": CategoricalKind { OneHot = "one_hot", Embedding = "embedding" }
    "optimizer": OptimizerKind { Sgd = "sgd", Adam = "adam", AdamW = "adam_w" }
    "schedule": Schedule {
        Constant = "constant", Cosine = "cosine", WarmupCosine = "warmup_cosine", OneCycle = "one_cycle",
    }
    "initialisation": Initialisation {
        HeNormal = "he_normal", GlorotUniform = "glorot_uniform", LecunNormal = "lecun_normal",
    }
    "loss": Loss { CrossEntropy = "cross_entropy", Mse = "mse", Huber = "huber" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laws<C: Choice + Serialize>() {
        for &choice in C::ALL {
            assert_eq!(C::find(choice.name()), Ok(choice));
            assert_eq!(serde_json::to_value(choice).unwrap(), choice.name(), "the name in genomes");
        }
    }

    #[test]
    fn names_are_those_of_the_genes_and_lead_back() {
        laws::<Act>();
        laws::<Norm>();
        laws::<TableMotif>();
        laws::<ConvMotif>();
        laws::<Downsample>();
        laws::<GlobalPool>();
        laws::<NumericKind>();
        laws::<CategoricalKind>();
        laws::<OptimizerKind>();
        laws::<Schedule>();
        laws::<Initialisation>();
        laws::<Loss>();
    }

    #[test]
    fn unknown_names_bring_the_near_ones() {
        let error = Act::find("leakyrelu").unwrap_err();
        assert!(error.to_string().starts_with("there is no activation \"leakyrelu\"; near names: leaky_relu"), "{error}");
        let error = Norm::find("xyz").unwrap_err();
        assert_eq!(error.to_string(), "there is no normalisation \"xyz\"; known are none, batch, layer");
    }
}
