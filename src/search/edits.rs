//! Applying edits that are drawn by their credit.

use super::credit::EditCredit;
use crate::genome::{Genome, SearchSpace, mutation};
use rand_chacha::ChaCha8Rng;

/// A genome after some edits.
pub struct Edited {
    /// The genome.
    pub genome: Genome,
    /// The edits in words.
    pub words: Vec<String>,
    /// The edits as indices into [`mutation::ALL`].
    pub kinds: Vec<usize>,
}

/// Applies `count` edits, each drawn by `credit` from the `allowed` entries of [`mutation::ALL`] that apply. Where only
/// fewer apply there are fewer; `None` where none does.
pub fn edited(
    space: &SearchSpace,
    genome: &Genome,
    credit: &EditCredit,
    allowed: &[usize],
    count: usize,
    rng: &mut ChaCha8Rng,
) -> Option<Edited> {
    let mut result = Edited { genome: genome.clone(), words: Vec::new(), kinds: Vec::new() };
    for _ in 0..count {
        let mut left = allowed.to_vec();
        while let Some(kind) = credit.draw(&left, rng) {
            if let Some(edit) = (mutation::ALL[kind].apply)(space, &result.genome, rng) {
                result.genome = edit.genome;
                result.words.push(edit.words);
                result.kinds.push(kind);
                break;
            }
            left.retain(|&other| other != kind);
        }
    }
    (!result.kinds.is_empty()).then_some(result)
}
