//! Applying edits that are drawn by their credit.

use super::Space;
use super::credit::EditCredit;
use rand_chacha::ChaCha8Rng;

/// A genome after some edits.
pub struct Edited<G> {
    /// The genome.
    pub genome: G,
    /// The edits in words.
    pub words: Vec<String>,
    /// The edits as numbers in the list of the space.
    pub kinds: Vec<usize>,
}

/// Applies `count` edits, each drawn by `credit` from the `allowed` kinds that apply. Where only
/// fewer apply there are fewer; `None` where none does.
pub fn edited<S: Space>(
    space: &S,
    genome: &S::Genome,
    credit: &EditCredit,
    allowed: &[usize],
    count: usize,
    rng: &mut ChaCha8Rng,
) -> Option<Edited<S::Genome>> {
    let mut result = Edited { genome: genome.clone(), words: Vec::new(), kinds: Vec::new() };
    for _ in 0..count {
        let mut left = allowed.to_vec();
        while let Some(kind) = credit.draw(&left, rng) {
            if let Some(edit) = space.edit(kind, &result.genome, rng) {
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
