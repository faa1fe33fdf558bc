//! The cells of NAS-Bench-201 as a space: six edges between four nodes, an operator on each.

use evolve::search::Parameters;
use evolve::search::space::{
    Child, EditKind, Feature, Space,
    parameters::{Point, SpaceError},
};
use rand_chacha::ChaCha8Rng;

/// Operators of an edge, as the table spells them.
pub const OPERATORS: [&str; 5] = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"];
/// Edges in the order of the table's strings.
pub const EDGES: [&str; 6] = ["0 to 1", "0 to 2", "1 to 2", "0 to 3", "1 to 3", "2 to 3"];
/// The ways from the first node to the last, as edges.
const PATHS: [&[usize]; 4] = [&[3], &[0, 4], &[1, 5], &[0, 2, 5]];
const NONE: usize = 0;

/// Births, edits and crossings are those of six choices. Models see besides what they see of nets, too: size, the shares of
/// the operators and depth, all of the edges that something passes through.
#[derive(Debug, Clone)]
pub struct Cells(Parameters);

impl Cells {
    pub fn new() -> Result<Cells, SpaceError> {
        EDGES.iter().fold(Parameters::builder(), |space, edge| space.choice(edge, OPERATORS)).build().map(Cells)
    }

    /// The operators of a cell by their numbers.
    pub fn operators(&self, cell: &Point) -> Option<Vec<usize>> {
        let operator = |edge: &&str| {
            let name = self.0.value(cell, edge)?;
            OPERATORS.iter().position(|&operator| operator == name)
        };
        EDGES.iter().map(operator).collect()
    }
}

impl Space for Cells {
    type Genome = Point;

    fn birth(&self, rng: &mut ChaCha8Rng) -> Point {
        self.0.birth(rng)
    }

    fn edits(&self) -> Vec<EditKind> {
        self.0.edits()
    }

    fn edit(&self, kind: usize, cell: &Point, rng: &mut ChaCha8Rng) -> Option<Child<Point>> {
        self.0.edit(kind, cell, rng)
    }

    fn cross(&self, a: &Point, b: &Point, rng: &mut ChaCha8Rng) -> Option<Child<Point>> {
        self.0.cross(a, b, rng)
    }

    fn distance(&self, a: &Point, b: &Point) -> f64 {
        self.0.distance(a, b)
    }

    fn features(&self, cell: &Point) -> Vec<Feature> {
        let mut all = self.0.features(cell);
        all.extend(self.operators(cell).iter().flat_map(|operators| structure(operators)).map(Feature::Number));
        all
    }

    fn hash(&self, cell: &Point) -> String {
        self.0.hash(cell)
    }
}

/// Logarithm of the weights, shares of the operators, length of the longest path in convolutions, and number of paths, of
/// the edges that lie on a path from the first node to the last.
fn structure(operators: &[usize]) -> Vec<f64> {
    let passes = |path: &&&[usize]| path.iter().all(|&edge| operators[edge] != NONE);
    let alive = |edge: usize| PATHS.iter().filter(passes).any(|path| path.contains(&edge));
    let mut shares = [0.0; OPERATORS.len()];
    for edge in (0..EDGES.len()).filter(|&edge| alive(edge)) {
        shares[operators[edge]] += 1.0 / EDGES.len() as f64;
    }
    let [_, _, small, large, _] = shares;
    let weights: f64 = EDGES.len() as f64 * (small + 9.0 * large);
    let convolutions = |path: &&[usize]| path.iter().filter(|&&edge| [2, 3].contains(&operators[edge])).count();
    let deepest = PATHS.iter().filter(passes).map(convolutions).max().unwrap_or(0);
    let paths = PATHS.iter().filter(passes).count();
    let mut all = vec![(1.0 + weights).ln() / 55f64.ln(), deepest as f64 / 3.0, paths as f64 / 4.0];
    all.extend(&shares[1..]);
    all
}
