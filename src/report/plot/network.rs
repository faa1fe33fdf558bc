//! The exported net as a diagram: a block for each layer, from input to output.

use super::{Digest, Input, Section};
use crate::report::{Layer, escape, grouped};

pub(super) static SECTION: Section =
    Section { title: "The network", note: "From input to output; the bar is a layer's share of all parameters.", draw };

fn draw(input: &Input, _: &Digest) -> Option<String> {
    if input.layers.is_empty() {
        return None;
    }
    let all: u64 = input.layers.iter().map(|layer| layer.parameters).sum();
    let blocks: Vec<String> = input.layers.iter().map(|layer| block(layer, all)).collect();
    Some(format!("<ol class=\"net\">\n{}</ol>\n", blocks.concat()))
}

fn block(layer: &Layer, all: u64) -> String {
    let share = layer.parameters as f64 / all.max(1) as f64 * 100.0;
    let parameters = if layer.parameters == 0 { String::new() } else { grouped(layer.parameters) };
    format!(
        "<li style=\"--share:{share:.1}%\"><b>{}</b><span>{}</span><span class=\"shape\">{}</span><em>{parameters}</em></li>\n",
        escape(&layer.kind),
        escape(&layer.name),
        escape(&layer.output)
    )
}
