//! Which block of a child continues which block of its parent, for the inheritance of weights.

use super::genes::{ConvBlock, ConvMotif, Downsample, Genome, ImageNet, Net, TableMotif, TableNet};

/// For each block of a child the block of its parent that it continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alignment {
    /// Path of each block of the child, such as `blocks.2` or `stages.1.blocks.0`, in order, and of its parent's block;
    /// `None` where the block is new.
    pub blocks: Vec<(String, Option<String>)>,
}

impl Alignment {
    /// Path of the parent's block that the child's block at `path` continues.
    pub fn parent_of(&self, path: &str) -> Option<&str> {
        self.blocks.iter().find(|(child, _)| child == path)?.1.as_deref()
    }
}

/// Aligns the blocks of two genomes at least cost: matched blocks keep their order and have equal motifs; differences in
/// width, kernel and resolution cost little, leaving a block of either side alone costs more. Among alignments of equal
/// cost the child's earlier blocks are matched.
pub fn align(parent: &Genome, child: &Genome) -> Alignment {
    let (from, to) = (items(parent), items(child));
    let matches = matched(&from, &to);
    let blocks = to.iter().zip(matches).map(|(item, at)| (item.path(), at.map(|at| from[at].path()))).collect();
    Alignment { blocks }
}

/// A block with what alignment compares.
pub(super) struct Item {
    /// Stage, for images.
    pub(super) stage: Option<usize>,
    /// Number in the stage, or in the net for tables.
    pub(super) number: usize,
    motif: Motif,
    width: usize,
    /// How often the resolution has been halved before the block.
    halvings: usize,
    conv: Option<ConvBlock>,
}

#[derive(PartialEq, Eq)]
enum Motif {
    Table(TableMotif),
    Conv(ConvMotif),
}

impl Item {
    fn path(&self) -> String {
        match self.stage {
            Some(stage) => format!("stages.{stage}.blocks.{}", self.number),
            None => format!("blocks.{}", self.number),
        }
    }
}

/// The blocks of a genome in order.
pub(super) fn items(genome: &Genome) -> Vec<Item> {
    match &genome.net {
        Net::Table(net) => table_items(net),
        Net::Image(net) => image_items(net),
        // Ancestors are not edited block by block: their parameters are matched by name alone.
        Net::Ancestor(_) => vec![],
    }
}

fn table_items(net: &TableNet) -> Vec<Item> {
    let item = |(number, block): (usize, &super::genes::TableBlock)| Item {
        stage: None,
        number,
        motif: Motif::Table(block.motif),
        width: block.width,
        halvings: 0,
        conv: None,
    };
    net.blocks.iter().enumerate().map(item).collect()
}

fn image_items(net: &ImageNet) -> Vec<Item> {
    let mut halvings = usize::from(net.stem.stride > 1);
    let mut items = Vec::new();
    for (index, stage) in net.stages.iter().enumerate() {
        halvings += usize::from(stage.down != Downsample::None);
        for (number, block) in stage.blocks.iter().enumerate() {
            items.push(Item {
                stage: Some(index),
                number,
                motif: Motif::Conv(block.motif),
                width: stage.width,
                halvings,
                conv: Some(*block),
            });
        }
    }
    items
}

/// Cost of leaving a block alone. A match costs less than two of them, so blocks of one motif prefer to match.
const ALONE: f64 = 1.0;

/// Cost of matching two blocks; `None` where they cannot continue each other.
fn cost(from: &Item, to: &Item) -> Option<f64> {
    if from.motif != to.motif {
        return None;
    }
    let genes = match (&from.conv, &to.conv) {
        (Some(from), Some(to)) => conv_cost(from, to)?,
        _ => 0.0,
    };
    let first = from.stage.is_some() && (from.number == 0) != (to.number == 0);
    let place = [(0.2, first), (0.1, from.halvings != to.halvings), (0.05, from.stage != to.stage)];
    Some(width_cost(from.width, to.width) + weighed(&place) + genes)
}

/// Cost of matching two blocks for images, wherever they stand; `None` where their motifs differ.
pub(super) fn conv_cost(from: &ConvBlock, to: &ConvBlock) -> Option<f64> {
    let genes = [
        (0.2, from.kernel != to.kernel),
        (0.1, from.dilation != to.dilation),
        (0.2, from.groups != to.groups),
        (0.1, from.quarters != to.quarters),
        (0.2, from.branches != to.branches),
        (0.1, from.skip != to.skip),
    ];
    (from.motif == to.motif).then(|| weighed(&genes))
}

/// At most 0.5, where one width is four times the other.
pub(super) fn width_cost(from: usize, to: usize) -> f64 {
    0.5 * (((from as f64).ln() - (to as f64).ln()).abs() / 4f64.ln()).min(1.0)
}

/// Sum of the weights of what holds.
fn weighed(differences: &[(f64, bool)]) -> f64 {
    differences.iter().filter(|(_, differs)| *differs).map(|(weight, _)| weight).sum()
}

/// For each of the child's blocks the index of the parent's block that it continues.
pub(super) fn matched(from: &[Item], to: &[Item]) -> Vec<Option<usize>> {
    pairs(from, to, cost)
}

/// Pairs the items of two lists in order at least cost, where an item left alone costs [`ALONE`] and `cost` is `None`
/// for two that do not pair: for each item of `to` the index of its partner in `from`. Earlier items of `to` win ties.
pub(super) fn pairs<T>(from: &[T], to: &[T], cost: impl Fn(&T, &T) -> Option<f64>) -> Vec<Option<usize>> {
    let (rows, columns) = (from.len() + 1, to.len() + 1);
    // best[i][j]: least cost of the first i items of `from` and the first j of `to`.
    let mut best = vec![vec![0.0f64; columns]; rows];
    for i in 0..rows {
        for j in 0..columns {
            if i == 0 || j == 0 {
                best[i][j] = ALONE * (i + j) as f64;
                continue;
            }
            let alone = (best[i - 1][j] + ALONE).min(best[i][j - 1] + ALONE);
            let both = cost(&from[i - 1], &to[j - 1]).map_or(f64::INFINITY, |cost| best[i - 1][j - 1] + cost);
            best[i][j] = alone.min(both);
        }
    }
    let mut partners = vec![None; to.len()];
    let (mut i, mut j) = (from.len(), to.len());
    while i > 0 && j > 0 {
        // Gaps first: walking backwards, that leaves later items alone and pairs earlier ones.
        if best[i][j] == best[i][j - 1] + ALONE {
            j -= 1;
        } else if best[i][j] == best[i - 1][j] + ALONE {
            i -= 1;
        } else {
            (i, j) = (i - 1, j - 1);
            partners[j] = Some(i);
        }
    }
    partners
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::{TableBlock, mutation, tests::spaces};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn tables(blocks: &[(TableMotif, usize)]) -> Genome {
        let mut genome = spaces()[0].seeds()[0].clone();
        if let Net::Table(net) = &mut genome.net {
            let block = |&(motif, width)| TableBlock { motif, width, dropout: 0.0 };
            net.blocks = blocks.iter().map(block).collect();
        }
        genome
    }

    fn aligned(parent: &Genome, child: &Genome) -> Vec<Option<String>> {
        align(parent, child).blocks.into_iter().map(|(_, parent)| parent).collect()
    }

    #[test]
    fn a_genome_continues_itself() {
        for space in spaces() {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            for _ in 0..100 {
                let genome = space.birth(&mut rng);
                for (path, parent) in align(&genome, &genome).blocks {
                    assert_eq!(Some(path), parent);
                }
            }
        }
    }

    #[test]
    fn an_inserted_block_is_new_and_the_rest_goes_on() {
        use TableMotif::{Linear, Residual};
        let parent = tables(&[(Linear, 64), (Linear, 256)]);
        let child = tables(&[(Linear, 64), (Residual, 64), (Linear, 320)]);
        assert_eq!(aligned(&parent, &child), [Some("blocks.0".into()), None, Some("blocks.1".into())]);
        assert_eq!(align(&parent, &child).parent_of("blocks.2"), Some("blocks.1"));
        assert_eq!(align(&parent, &child).parent_of("blocks.1"), None);
        // Backwards the residual block has nothing to go on in.
        assert_eq!(aligned(&child, &parent), [Some("blocks.0".into()), Some("blocks.2".into())]);
    }

    #[test]
    fn the_nearest_width_is_taken_and_earlier_blocks_win_ties() {
        use TableMotif::Linear;
        let parent = tables(&[(Linear, 256)]);
        assert_eq!(aligned(&parent, &tables(&[(Linear, 32), (Linear, 256)])), [None, Some("blocks.0".into())]);
        assert_eq!(aligned(&parent, &tables(&[(Linear, 256), (Linear, 256)])), [Some("blocks.0".into()), None]);
    }

    #[test]
    fn blocks_of_a_removed_stage_have_no_heir() {
        let space = &spaces()[6];
        let parent = space.seeds()[4].clone();
        let mut child = parent.clone();
        if let Net::Image(net) = &mut child.net {
            net.stages.remove(1);
        }
        assert_eq!(aligned(&parent, &child), [Some("stages.0.blocks.0".into()), Some("stages.2.blocks.0".into())]);
    }

    #[test]
    fn most_of_a_mutant_continues_its_parent() {
        for space in spaces() {
            let mut rng = ChaCha8Rng::seed_from_u64(2);
            for mutation in mutation::ALL {
                let parent = space.birth(&mut rng);
                let Some(edit) = (mutation.apply)(&space, &parent, &mut rng) else { continue };
                let alignment = align(&parent, &edit.genome);
                let new = alignment.blocks.iter().filter(|(_, parent)| parent.is_none()).count();
                let heirs: Vec<&String> = alignment.blocks.iter().filter_map(|(_, parent)| parent.as_ref()).collect();
                assert!(heirs.windows(2).all(|pair| pair[0] != pair[1]), "{}", edit.words);
                assert!(new <= 2, "{new} new blocks after {}", edit.words);
            }
        }
    }
}
