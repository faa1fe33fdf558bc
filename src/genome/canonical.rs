//! One spelling for genomes that mean the same, and the hash of it.

use super::{
    genes::{
        Act, Augmentation, ConvBlock, ConvMotif, Genome, ImageNet, Loss, Net, Optimizer, Stage, TableMotif, TableNet,
        Training,
    },
    shape::{always_skips, downsampling, has_branches, has_groups, hidden_width},
};
use sha2::{Digest, Sha256};
use std::fmt::Write;

impl Genome {
    /// The genome with every gene that changes neither the function nor its training at its default: groups, quarters
    /// and branches of motifs that have none, the dilation of a 1×1 kernel, the activation of a net whose blocks are
    /// all gated, Adam without weight decay (AdamW), label smoothing of a regression, augmentation of tables.
    pub fn canonical(&self) -> Self {
        let mut genome = self.clone();
        match &mut genome.net {
            Net::Table(net) => {
                table(net);
                genome.training.augmentation = Augmentation::default();
            }
            Net::Image(net) => image(net),
        }
        training(&mut genome.training);
        genome
    }

    /// Identity of the genome: the first 16 hexadecimal digits of the SHA-256 of its canonical JSON.
    pub fn hash(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(self.canonical().json());
        digest.finalize().iter().take(8).fold(String::with_capacity(16), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// The genome as one line of JSON. Genes have a fixed order.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("genes are numbers, names and lists, which all have a JSON form")
    }
}

fn table(net: &mut TableNet) {
    if net.blocks.iter().all(|block| block.motif == TableMotif::Gated) {
        net.activation = Act::Relu;
    }
}

fn image(net: &mut ImageNet) {
    for stage in &mut net.stages {
        stage.down = downsampling(stage);
        let Stage { width, blocks, .. } = stage;
        for block in blocks {
            conv_block(block, *width);
        }
    }
}

fn conv_block(block: &mut ConvBlock, width: usize) {
    if !has_groups(block.motif) {
        block.groups = 1;
    }
    if !has_branches(block.motif) {
        block.branches = 1;
    }
    // An inception of its 1×1 branch alone has no spatial convolution.
    if block.motif == ConvMotif::Inception && block.branches == 1 {
        block.kernel = 1;
    }
    if block.kernel == 1 {
        block.dilation = 1;
    }
    block.skip |= always_skips(block.motif);
    block.quarters = match hidden_width(block, width, block.quarters) {
        None => 4,
        hidden => (1..block.quarters).find(|&fewer| hidden_width(block, width, fewer) == hidden).unwrap_or(block.quarters),
    };
}

fn training(training: &mut Training) {
    // Without decay there is nothing to couple.
    if let Optimizer::Adam { beta2 } = training.optimizer
        && training.weight_decay == 0.0
    {
        training.optimizer = Optimizer::AdamW { beta2 };
    }
    if training.loss != Loss::CrossEntropy {
        training.label_smoothing = 0.0;
    }
}
