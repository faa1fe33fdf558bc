//! Making genomes cheaper, until they keep the caps of the space.

use super::{ImageLimits, Limits, SearchSpace, TableLimits};
use crate::genome::{
    ancestor::AncestorNet,
    count::count,
    draw::below,
    genes::{CategoricalEncoding, Genome, ImageNet, Net, NumericEncoding, TableNet},
};

impl SearchSpace {
    /// The genome made valid, and as small as single steps make it where it exceeds the caps.
    pub(super) fn descended(&self, mut genome: Genome) -> Genome {
        self.settle(&mut genome);
        while self.exceeds(&genome) {
            let Some(smaller) = self.reduced(&genome) else { break };
            genome = smaller;
        }
        genome
    }

    /// The genome made smaller by the one step that saves most of what exceeds its cap; `None` where no step is left.
    /// Narrowing comes before shortening.
    fn reduced(&self, genome: &Genome) -> Option<Genome> {
        for steps in [narrower(self, genome), shorter(self, genome)] {
            let best = steps
                .into_iter()
                .filter_map(|mut step| {
                    self.settle(&mut step);
                    Some((self.excess(&step)?, step))
                })
                .min_by(|a, b| a.0.total_cmp(&b.0));
            if let Some((excess, step)) = best
                && self.excess(genome).is_some_and(|now| excess < now)
            {
                return Some(step);
            }
        }
        None
    }

    /// Whether the genome costs more than the caps allow.
    pub(super) fn exceeds(&self, genome: &Genome) -> bool {
        let caps = self.caps(genome);
        count(genome, &self.domain).is_some_and(|tally| tally.parameters > caps.parameters || tally.macs > caps.macs)
    }

    /// How far the genome is above the caps, as a sum of ratios.
    fn excess(&self, genome: &Genome) -> Option<f64> {
        let (tally, caps) = (count(genome, &self.domain)?, self.caps(genome));
        let over = |value: u64, cap: u64| (value as f64 / cap.max(1) as f64).max(1.0);
        Some(over(tally.parameters, caps.parameters) + over(tally.macs, caps.macs))
    }
}

/// Every genome with one extent one choice lower.
fn narrower(space: &SearchSpace, genome: &Genome) -> Vec<Genome> {
    let mut steps = Vec::new();
    match (&space.limits, &genome.net) {
        (Limits::Table(limits), Net::Table(net)) => {
            let mut add = |change: &dyn Fn(&mut TableNet)| steps.push(edited_table(genome, net, change));
            for (index, block) in net.blocks.iter().enumerate() {
                if let Some(width) = below(limits.widths.of(block.motif), block.width) {
                    add(&|net| net.blocks[index].width = width);
                }
            }
            for numeric in narrower_encodings(limits, net.numeric) {
                add(&|net| net.numeric = numeric);
            }
            if let CategoricalEncoding::Embedding { dim } = net.categorical
                && let Some(dim) = below(&limits.embedding_dims, dim)
            {
                add(&|net| net.categorical = CategoricalEncoding::Embedding { dim });
            }
        }
        (Limits::Image(limits), Net::Image(net)) => {
            let mut add = |change: &dyn Fn(&mut ImageNet)| steps.push(edited_image(genome, net, change));
            if let Some(width) = below(&limits.stem.widths, net.stem.width) {
                add(&|net| net.stem.width = width);
            }
            if let Some(hidden) = below(&limits.hidden, net.head.hidden) {
                add(&|net| net.head.hidden = hidden);
            }
            for (index, stage) in net.stages.iter().enumerate() {
                if let Some(width) = below(&limits.widths, stage.width) {
                    add(&|net| net.stages[index].width = width);
                }
            }
            // Narrowing one place alone may cost more, where skips then need projections.
            add(&|net| {
                net.stem.width = below(&limits.stem.widths, net.stem.width).unwrap_or(net.stem.width);
                for width in net.stages.iter_mut().map(|stage| &mut stage.width) {
                    *width = below(&limits.widths, *width).unwrap_or(*width);
                }
            });
        }
        (Limits::Image(ImageLimits { ancestors: scales, .. }), &Net::Ancestor(net)) => {
            let width = below(&scales.widths, net.width).map(|width| AncestorNet { width, ..net });
            let resolution = below(&scales.resolutions, net.resolution);
            let resolution = resolution.map(|resolution| AncestorNet { resolution, ..net });
            let smaller = width.into_iter().chain(resolution);
            steps.extend(smaller.map(|net| Genome { net: Net::Ancestor(net), training: genome.training }));
        }
        _ => {}
    }
    steps
}

fn narrower_encodings(limits: &TableLimits, numeric: NumericEncoding) -> Vec<NumericEncoding> {
    match numeric {
        NumericEncoding::Plain => vec![],
        NumericEncoding::Piecewise { bins, dim } => {
            let fewer = below(&limits.bins, bins).map(|bins| NumericEncoding::Piecewise { bins, dim });
            let shorter = below(&limits.encoding_dims, dim).map(|dim| NumericEncoding::Piecewise { bins, dim });
            fewer.into_iter().chain(shorter).collect()
        }
        NumericEncoding::Periodic { frequencies, sigma, dim } => {
            let fewer = below(&limits.frequencies, frequencies).map(|frequencies| NumericEncoding::Periodic {
                frequencies,
                sigma,
                dim,
            });
            let shorter = below(&limits.encoding_dims, dim).map(|dim| NumericEncoding::Periodic { frequencies, sigma, dim });
            fewer.into_iter().chain(shorter).collect()
        }
    }
}

/// Every genome with one part less.
fn shorter(space: &SearchSpace, genome: &Genome) -> Vec<Genome> {
    let mut steps = Vec::new();
    match (&space.limits, &genome.net) {
        (_, Net::Table(net)) => {
            let mut add = |change: &dyn Fn(&mut TableNet)| steps.push(edited_table(genome, net, change));
            add(&|net| net.numeric = NumericEncoding::Plain);
            if net.blocks.len() > 1 {
                for index in 0..net.blocks.len() {
                    add(&|net| {
                        net.blocks.remove(index);
                    });
                }
            }
        }
        (_, Net::Image(net)) => {
            let mut add = |change: &dyn Fn(&mut ImageNet)| steps.push(edited_image(genome, net, change));
            add(&|net| net.stem.kernel = net.stem.kernel.min(3));
            if net.stages.len() > 1 {
                for index in 0..net.stages.len() {
                    add(&|net| {
                        net.stages.remove(index);
                    });
                }
            }
            for (index, stage) in net.stages.iter().enumerate() {
                for (number, block) in stage.blocks.iter().enumerate() {
                    if stage.blocks.len() > 1 {
                        add(&|net| {
                            net.stages[index].blocks.remove(number);
                        });
                    }
                    if *block != super::seeds::CONV {
                        add(&|net| net.stages[index].blocks[number] = super::seeds::CONV);
                    }
                }
            }
        }
        (Limits::Image(ImageLimits { ancestors: scales, .. }), &Net::Ancestor(net)) => {
            // Depths below that give as many blocks would be settled to this one again.
            let shallower = scales.depths.iter().rev().map(|&depth| AncestorNet { depth, ..net });
            let fewer = shallower.filter(|other| other.depth < net.depth).find(|other| other.repeats() != net.repeats());
            steps.extend(fewer.map(|net| Genome { net: Net::Ancestor(net), training: genome.training }));
        }
        (Limits::Table(_), Net::Ancestor(_)) => {}
    }
    steps
}

fn edited_table(genome: &Genome, net: &TableNet, change: &dyn Fn(&mut TableNet)) -> Genome {
    let mut net = net.clone();
    change(&mut net);
    Genome { net: Net::Table(net), training: genome.training }
}

fn edited_image(genome: &Genome, net: &ImageNet, change: &dyn Fn(&mut ImageNet)) -> Genome {
    let mut net = net.clone();
    change(&mut net);
    Genome { net: Net::Image(net), training: genome.training }
}
