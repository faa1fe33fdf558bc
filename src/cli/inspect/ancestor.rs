//! What a named ancestor is made of, at any input size.

use crate::{
    cli::Failure,
    genome::{Ancestor, AncestorNet, Size},
    report::{Layer, grouped},
};
use serde::Serialize;
use std::{fmt::Write, str::FromStr};

/// Greatest side of an image, and most channels or classes: counts stay within 64 bits.
const MOST: usize = 1 << 16;

/// Extents of images, such as `224x224x3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageExtent {
    size: Size,
    channels: usize,
}

impl FromStr for ImageExtent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Option<Vec<usize>> = text.split(['x', '×']).map(|part| part.trim().parse().ok()).collect();
        match parts.as_deref() {
            Some(&[height, width, channels]) if [height, width, channels].iter().all(|part| (1..=MOST).contains(part)) => {
                Ok(ImageExtent { size: Size { height, width }, channels })
            }
            _ => Err(format!("give height, width and channels from 1 to {MOST}, such as 224x224x3")),
        }
    }
}

/// A number of classes on the command line.
pub(super) fn classes(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=MOST).contains(number));
    number.ok_or_else(|| format!("give a number from 1 to {MOST}"))
}

/// An ancestor as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Inspection {
    ancestor: Ancestor,
    /// Height, width and channels.
    input: [usize; 3],
    classes: usize,
    /// All, as published: moving statistics included.
    parameters: u64,
    trainable: u64,
    macs: u64,
    layers: Vec<Layer>,
}

/// An ancestor as published, for these images or those that it was published for.
///
/// # Errors
/// Where the images are too small for it.
pub(super) fn inspect(ancestor: Ancestor, input: Option<ImageExtent>, classes: usize) -> Result<Inspection, Failure> {
    let side = ancestor.entry().side;
    let native = ImageExtent { size: Size { height: side, width: side }, channels: 3 };
    let ImageExtent { size, channels } = input.unwrap_or(native);
    let architecture = AncestorNet::published(ancestor).architecture(size, channels, classes)?;
    let layers = architecture.layers.iter().map(|layer| Layer {
        name: layer.name.clone(),
        kind: layer.kind.name().to_owned(),
        output: format!("N × {}", layer.output),
        parameters: layer.parameters(),
    });
    Ok(Inspection {
        ancestor,
        input: [size.height, size.width, channels],
        classes,
        parameters: architecture.parameters(),
        trainable: architecture.trainable(),
        macs: architecture.macs(),
        layers: layers.collect(),
    })
}

/// The inspection for people. Writing into a string cannot fail, so the results of `writeln!` are dropped.
pub(super) fn text(inspection: &Inspection) -> String {
    let mut text = String::new();
    let Inspection { ancestor, input: [height, width, channels], classes, .. } = inspection;
    let _ = writeln!(text, "{ancestor}: {}", ancestor.entry().doc);
    let _ = writeln!(text, "images of {height}×{width}×{channels}, {classes} outputs");
    let (all, trainable) = (grouped(inspection.parameters), grouped(inspection.trainable));
    let _ = writeln!(text, "{all} parameters, {trainable} of them trainable");
    let _ = writeln!(text, "{} multiply-adds an image", grouped(inspection.macs));
    super::layers_text(&inspection.layers, &mut text);
    text
}
