//! Every key of a file, once: its words, and where its value goes.

use super::slot::{Place, Slot};
use crate::genome::{
    domain::InputDomain,
    space::{ImageLimits, Limits, SearchSpace, TableLimits, TrainingLimits, limits::most_bins},
};

/// A key.
pub(super) struct Key {
    /// Section and name, with dots between them.
    pub(super) path: &'static str,
    /// What it means, for the comment above it.
    pub(super) doc: &'static str,
    /// Why data may be without it.
    pub(super) absent: &'static str,
    /// Where its value goes; `None` where the space has no such choice.
    pub(super) place: fn(&mut SearchSpace) -> Option<Place<'_>>,
}

impl Key {
    /// The section that it stands in; empty for the keys at the top.
    pub(super) fn section(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// The key without its section.
    pub(super) fn name(&self) -> &'static str {
        self.path.rsplit_once('.').map_or(self.path, |(_, name)| name)
    }
}

const IMAGES: &str = "it is for images, and the data is a table";
const TABLES: &str = "it is for tables, and the data is images";
const NUMBERS: &str = "the data has no numeric columns";
const CATEGORIES: &str = "the data has no columns with categories";

const fn key(
    path: &'static str,
    doc: &'static str,
    absent: &'static str,
    place: fn(&mut SearchSpace) -> Option<Place<'_>>,
) -> Key {
    Key { path, doc, absent, place }
}

/// Every key, section by section.
pub(super) static KEYS: &[Key] = &[
    key(
        "forbidden",
        "Operators of ONNX that the runtime which the model is for does not have, such as [\"Elu\", \"Sin\"]. Choices that lead to one of them are left out.",
        "",
        |space| one(Slot::Texts(&mut space.forbidden)),
    ),
    key(
        "max_parameters",
        "Most trainable parameters. Ancestors that are asked for by name may have more; a --constraint holds for all.",
        "",
        |space| one(Slot::Cap(&mut space.max_parameters)),
    ),
    key("max_macs", "Most multiply-accumulates for one row, as above.", "", |space| one(Slot::Cap(&mut space.max_macs))),
    key("training.optimizers", "sgd (with Nesterov momentum), adam, adam_w", "", |space| {
        one(Slot::Names(&mut space.training.optimizers))
    }),
    key("training.learning_rate", "Its peak.", "", |space| Some(Place::By(&mut space.training.learning_rate))),
    key(
        "training.weight_decay",
        "Decoupled for adam_w, added to the gradient for the others. Biases and normalisation are exempt.",
        "",
        |space| Some(Place::By(&mut space.training.weight_decay)),
    ),
    key("training.momentum", "Of sgd.", "", |space| one(Slot::Reals(&mut space.training.momentum))),
    key("training.beta2", "Decay of the second moment, of adam and adam_w.", "", |space| {
        one(Slot::Reals(&mut space.training.beta2))
    }),
    key(
        "training.schedules",
        "Course of the learning rate.
  constant       at the peak
  cosine         half a cosine from the peak to zero
  warmup_cosine  the same after a rise over the first 5 %
  one_cycle      a rise from 1/25 of the peak over the first 30 %, then half a cosine to zero",
        "",
        |space| one(Slot::Names(&mut space.training.schedules)),
    ),
    key("training.batches", "Rows in a batch.", "", |space| one(Slot::Sizes(&mut space.training.batches))),
    key(
        "training.initialisations",
        "Distribution of the weights at the start: he_normal, glorot_uniform, lecun_normal",
        "",
        |space| one(Slot::Names(&mut space.training.initialisations)),
    ),
    key(
        "training.label_smoothing",
        "Share of the target that is spread over all classes.",
        "a regression has none",
        |space| {
            let classes = space.domain.classification;
            Some(Place::One(Slot::Reals(&mut space.training.label_smoothing))).filter(|_| classes)
        },
    ),
    key(
        "training.losses",
        "mse (squared error), huber (squared up to one standard deviation of the target, linear beyond)",
        "a classification has no choice of it",
        |space| {
            let value = !space.domain.classification;
            Some(Place::One(Slot::Names(&mut space.training.losses))).filter(|_| value)
        },
    ),
    key(
        "training.lengths",
        "Shares of the training examples that a study grants; fewer keep a net from learning its rows by heart.",
        "",
        |space| one(Slot::Reals(&mut space.training.lengths)),
    ),
    key("augmentation.flips", "Whether they are mirrored left and right, half of the time.", IMAGES, |space| {
        one(Slot::Flags(&mut augmented(space)?.flips))
    }),
    key("augmentation.shift", "Pixels by which they are shifted at most.", IMAGES, |space| {
        one(Slot::Span(&mut augmented(space)?.shift))
    }),
    key("augmentation.cutout", "Side in pixels of a square that is blanked; 0 for none.", IMAGES, |space| {
        one(Slot::Span(&mut augmented(space)?.cutout))
    }),
    key("table.blocks", "How many.", TABLES, |space| one(Slot::Span(&mut table(space)?.blocks))),
    key("table.norms", "Normalisation in the blocks: none, batch, layer", TABLES, |space| {
        one(Slot::Names(&mut table(space)?.norms))
    }),
    key(
        "table.activations",
        "Activation in the blocks: relu, leaky_relu, elu, gelu, silu, tanh, sigmoid",
        TABLES,
        |space| one(Slot::Names(&mut table(space)?.activations)),
    ),
    key(
        "table.block.motifs",
        "linear    linear layer, normalisation, activation, dropout
residual  two layers whose result is added to the input; keeps its width
gated     a linear layer times the sigmoid of another",
        TABLES,
        |space| one(Slot::Names(&mut table(space)?.motifs)),
    ),
    key("table.block.widths", "Outputs; of a residual block the width between its layers.", TABLES, |space| {
        Some(Place::By(&mut table(space)?.widths))
    }),
    key("table.block.dropout", "Rate.", TABLES, |space| Some(Place::By(&mut table(space)?.dropout))),
    key(
        "table.numbers.encodings",
        "plain      as they are
piecewise  position in quantile bins, then a small layer for each column
periodic   sines and cosines of learned frequencies, then the same",
        NUMBERS,
        |space| one(Slot::Names(&mut numbers(space)?.numeric)),
    ),
    key(
        "table.numbers.bins",
        "Bins of piecewise for each column, at most.",
        "no numeric column has several values",
        |space| {
            let InputDomain::Table { knots, .. } = &space.domain.input else { return None };
            let bins = most_bins(knots) > 0;
            one(Slot::Sizes(&mut numbers(space).filter(|_| bins)?.bins))
        },
    ),
    key("table.numbers.frequencies", "Frequencies of periodic for each column.", NUMBERS, |space| {
        one(Slot::Sizes(&mut numbers(space)?.frequencies))
    }),
    key("table.numbers.sigma", "Standard deviation of those frequencies at the start.", NUMBERS, |space| {
        one(Slot::Reals(&mut numbers(space)?.sigma))
    }),
    key("table.numbers.outputs", "Outputs of the layer for each column, of both.", NUMBERS, |space| {
        one(Slot::Sizes(&mut numbers(space)?.encoding_dims))
    }),
    key(
        "table.categories.encodings",
        "one_hot (an input for each value), embedding (a learned vector for each value)",
        CATEGORIES,
        |space| one(Slot::Names(&mut categories(space)?.categorical)),
    ),
    key("table.categories.lengths", "Lengths of those vectors.", CATEGORIES, |space| {
        one(Slot::Sizes(&mut categories(space)?.embedding_dims))
    }),
    key("image.norms", "Normalisation after convolutions: none, batch, layer", IMAGES, |space| {
        one(Slot::Names(&mut image(space)?.norms))
    }),
    key(
        "image.activations",
        "Activation in the blocks: relu, leaky_relu, elu, gelu, silu, tanh, sigmoid",
        IMAGES,
        |space| one(Slot::Names(&mut image(space)?.activations)),
    ),
    key("image.stages", "How many.", IMAGES, |space| one(Slot::Span(&mut image(space)?.stages))),
    key("image.stem.widths", "Output channels.", IMAGES, |space| one(Slot::Sizes(&mut image(space)?.stem.widths))),
    key("image.stem.kernels", "Kernel extents, odd.", IMAGES, |space| one(Slot::Sizes(&mut image(space)?.stem.kernels))),
    key("image.stem.strides", "1, or 2 to halve the resolution.", IMAGES, |space| {
        one(Slot::Sizes(&mut image(space)?.stem.strides))
    }),
    key("image.stage.widths", "Channels.", IMAGES, |space| one(Slot::Sizes(&mut image(space)?.widths))),
    key(
        "image.stage.downs",
        "How a stage halves the resolution before its blocks: none (not at all), max_pool, average_pool, stride (of its first convolution)",
        IMAGES,
        |space| one(Slot::Names(&mut image(space)?.downs)),
    ),
    key("image.stage.blocks", "How many.", IMAGES, |space| one(Slot::Span(&mut image(space)?.blocks))),
    key(
        "image.block.motifs",
        "conv_norm_act   k×k convolution, normalisation, activation
conv_act        k×k convolution with a bias, activation
conv_depthwise  1×1 convolution, then a k×k convolution of each channel by itself (as in MobileNet)
residual        two k×k convolutions, and the input added to their result (ResNet)
bottleneck      1×1, k×k in groups, 1×1, and the input added to their result (ResNet-50)
inception       branches of 1×1 and k×k convolutions side by side (GoogLeNet)
dense           k×k convolutions that each read the results of all before (DenseNet)",
        IMAGES,
        |space| one(Slot::Names(&mut image(space)?.motifs)),
    ),
    key("image.block.kernels", "Kernel extents k, odd.", IMAGES, |space| Some(Place::By(&mut image(space)?.kernels))),
    key("image.block.dilations", "Dilations of those kernels.", IMAGES, |space| {
        Some(Place::By(&mut image(space)?.dilations))
    }),
    key("image.block.groups", "Groups of conv_norm_act, conv_act and bottleneck.", IMAGES, |space| {
        Some(Place::By(&mut image(space)?.groups))
    }),
    key(
        "image.block.quarters",
        "Hidden channels of bottleneck, inception and dense, in quarters of their usual number.",
        IMAGES,
        |space| Some(Place::By(&mut image(space)?.quarters)),
    ),
    key("image.block.branches", "Branches of inception (4 at most), layers of dense.", IMAGES, |space| {
        Some(Place::By(&mut image(space)?.branches))
    }),
    key(
        "image.block.skips",
        "Whether the input is added to the result, of motifs that do not always do so.",
        IMAGES,
        |space| Some(Place::By(&mut image(space)?.skips)),
    ),
    key("image.head.pools", "average, max", IMAGES, |space| one(Slot::Names(&mut image(space)?.pools))),
    key("image.head.hidden", "Width of a hidden layer; 0 for none.", IMAGES, |space| {
        one(Slot::Sizes(&mut image(space)?.hidden))
    }),
    key("image.head.dropout", "Dropout rate before the last layer.", IMAGES, |space| {
        one(Slot::Reals(&mut image(space)?.dropout))
    }),
    key("image.ancestors.widths", "Channels.", IMAGES, |space| one(Slot::Sizes(&mut image(space)?.ancestors.widths))),
    key("image.ancestors.depths", "Blocks of each stage.", IMAGES, |space| {
        one(Slot::Sizes(&mut image(space)?.ancestors.depths))
    }),
    key("image.ancestors.resolutions", "Height and width to which images are interpolated.", IMAGES, |space| {
        one(Slot::Sizes(&mut image(space)?.ancestors.resolutions))
    }),
    key("image.ancestors.dropout", "Dropout rate before the last layer.", IMAGES, |space| {
        one(Slot::Reals(&mut image(space)?.ancestors.dropout))
    }),
];

/// What the sections hold, for the comment above them.
pub(super) static SECTIONS: &[(&str, &str)] = &[
    (
        "training",
        "How nets are trained. What holds for one optimizer alone is a section of its own:\n\n  [training.sgd]\n  learning_rate = { low = 0.01, high = 0.3 }",
    ),
    ("augmentation", "How images are altered while a net trains on them."),
    ("table", "Nets for tables: encoded columns, a stack of blocks, a linear layer."),
    (
        "table.block",
        "Its blocks. What holds for one motif alone is a section of its own:\n\n  [table.block.gated]\n  widths = [32, 64]",
    ),
    ("table.numbers", "How numeric columns enter."),
    ("table.categories", "How columns with categories enter."),
    ("image", "Nets for images: a first convolution (the stem), stages of blocks, pooling over the image, a linear layer."),
    ("image.stem", "The first convolution."),
    ("image.stage", "Stages: blocks at one resolution."),
    (
        "image.block",
        "Blocks. What holds for one motif alone is a section of its own:\n\n  [image.block.bottleneck]\n  kernels = 3\n  quarters = [1, 2]",
    ),
    ("image.head", "What follows the last stage."),
    ("image.ancestors", "Scale of the ancestors that `--ancestor` asks for, in eighths: 8 is as published."),
];

fn one(slot: Slot<'_>) -> Option<Place<'_>> {
    Some(Place::One(slot))
}

/// Where images are augmented.
fn augmented(space: &mut SearchSpace) -> Option<&mut TrainingLimits> {
    matches!(space.domain.input, InputDomain::Image { .. }).then_some(&mut space.training)
}

fn table(space: &mut SearchSpace) -> Option<&mut TableLimits> {
    match &mut space.limits {
        Limits::Table(limits) => Some(limits),
        Limits::Image(_) => None,
    }
}

/// Where there are numeric features.
fn numbers(space: &mut SearchSpace) -> Option<&mut TableLimits> {
    let there = matches!(&space.domain.input, InputDomain::Table { knots, .. } if !knots.is_empty());
    table(space).filter(|_| there)
}

/// Where there are categories.
fn categories(space: &mut SearchSpace) -> Option<&mut TableLimits> {
    let there = matches!(&space.domain.input, InputDomain::Table { slots, .. } if !slots.is_empty());
    table(space).filter(|_| there)
}

fn image(space: &mut SearchSpace) -> Option<&mut ImageLimits> {
    match &mut space.limits {
        Limits::Image(limits) => Some(limits),
        Limits::Table(_) => None,
    }
}
