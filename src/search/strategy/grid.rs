//! A grid of cells that is finest where results are good: islands (Cohoon et al., 1987) that live in the cells of a Voronoi
//! tessellation of the space (as in CVT-MAP-Elites, Vassiliades et al., 2018).
//!
//! [`CELLS`] centres, as far from each other as births allow (Gonzalez, 1985), cut the space: a genome belongs to the centre
//! at the least distance. Candidate k is made by the group k mod [`CELLS`], which works in a cell of its own: it draws births,
//! crossings and edits of the cell's best genomes until one lies in the cell. A cell is finished when as many of its
//! candidates in turn as a third of the setting `ring` brought nothing better. Then its best is handed to the
//! [`NEIGHBOURS`] nearest cells, and the grid is cut anew: the cell is given up (the worst cell instead, where the finished
//! one is the best of all), what it had goes to the cells that are left, and the best cell is cut in two, around its best
//! genome and around that of its genomes which is farthest from it.

use super::Entry;
use crate::search::{Evaluated, Member, Origin, Proposal, Settings, Space, Strategy, credit::EditCredit, edits::edited};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

/// Cells.
const CELLS: usize = 8;
/// Births among which the first centres are found.
const BIRTHS: usize = 48;
/// Cells that a finished one hands its best to.
const NEIGHBOURS: usize = 2;
/// Drafts until one lies in the cell; the last is taken wherever it lies.
const DRAFTS: usize = 8;
/// Chance that a draft is a birth, and that it is a crossing where it is none.
const BIRTH: f64 = 0.15;
const CROSSING: f64 = 0.3;
/// Chance of a second edit.
const SECOND: f64 = 0.3;

pub(super) const fn entry<S: Space>() -> Entry<S> {
    Entry {
        name: "grid",
        doc: "the space in cells, each searched by a group of its own and cut finer where results are good",
        seeded: true,
        make: |settings: &Settings, space: &S| Box::new(Grid::new(settings, space)),
    }
}

struct Grid<S: Space> {
    space: S,
    seeds: Vec<S::Genome>,
    all: Vec<usize>,
    even: EditCredit,
    /// Members that a cell keeps.
    capacity: usize,
    tournament: usize,
    /// Candidates of a cell without a gain after which it is finished.
    patience: usize,
    cells: Vec<Cell<S::Genome>>,
    /// The first candidate that was asked for: those before it were given.
    first: Option<u64>,
    /// What was given and told before there were cells.
    given: Vec<Member<S::Genome>>,
    /// Own candidates that are under way.
    open: BTreeSet<u64>,
    /// Groups of own candidates that are paused.
    paused: BTreeMap<u64, usize>,
}

struct Cell<G> {
    centre: G,
    /// Best first.
    members: Vec<Member<G>>,
    /// Candidates since the last gain.
    fruitless: usize,
}

impl<G: Clone> Cell<G> {
    fn new(centre: G) -> Self {
        Cell { centre, members: Vec::new(), fruitless: 0 }
    }

    /// Takes a member in; whether it is the best now.
    fn insert(&mut self, member: Member<G>, capacity: usize) -> bool {
        let place = self.members.partition_point(|other| other.rank(&member) == Ordering::Less);
        self.members.insert(place, member);
        self.members.truncate(capacity);
        place == 0
    }

    fn tournament(&self, size: usize, rng: &mut ChaCha8Rng) -> Option<&Member<G>> {
        let count = self.members.len();
        (0..size).filter(|_| count > 0).map(|_| rng.random_range(0..count)).min().map(|index| &self.members[index])
    }
}

/// The better of two best members first; a cell without any is the worst.
fn by_best<G: Clone>(a: &Cell<G>, b: &Cell<G>) -> Ordering {
    match (a.members.first(), b.members.first()) {
        (Some(a), Some(b)) => a.rank(b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

impl<S: Space> Grid<S> {
    fn new(settings: &Settings, space: &S) -> Self {
        let kinds = space.edits().len();
        Grid {
            space: space.clone(),
            seeds: space.seeds(),
            all: (0..kinds).collect(),
            even: EditCredit::new(kinds),
            capacity: (settings.population / CELLS).max(4),
            tournament: settings.tournament,
            patience: (settings.ring / 3).max(1),
            cells: Vec::new(),
            first: None,
            given: Vec::new(),
            open: BTreeSet::new(),
            paused: BTreeMap::new(),
        }
    }

    /// Finds the first centres: a birth, then always that birth which is farthest from all before. What was given moves in.
    fn cut(&mut self, rng: &mut ChaCha8Rng) {
        let births: Vec<S::Genome> = (0..BIRTHS).map(|_| self.space.birth(rng)).collect();
        let mut apart = vec![f64::INFINITY; BIRTHS];
        let mut next = 0;
        for _ in 0..CELLS {
            self.cells.push(Cell::new(births[next].clone()));
            for (apart, birth) in apart.iter_mut().zip(&births) {
                *apart = apart.min(self.space.distance(birth, &births[next]));
            }
            next = (0..BIRTHS).rev().max_by(|&a, &b| apart[a].total_cmp(&apart[b])).unwrap_or(0);
        }
        for member in std::mem::take(&mut self.given) {
            let cell = self.cell_of(&member.genome);
            self.cells[cell].insert(member, self.capacity);
        }
    }

    /// The cell that a genome lies in: the first of those with the nearest centre.
    fn cell_of(&self, genome: &S::Genome) -> usize {
        let distances: Vec<f64> = self.cells.iter().map(|cell| self.space.distance(genome, &cell.centre)).collect();
        (0..distances.len()).min_by(|&a, &b| distances[a].total_cmp(&distances[b])).unwrap_or(0)
    }

    /// A birth, crossing or edit of a cell's members.
    fn draft(&self, cell: &Cell<S::Genome>, rng: &mut ChaCha8Rng) -> Proposal<S::Genome> {
        let made = |edits, genome, parents| {
            let origin = Origin { arm: "grid".to_owned(), edits, parents };
            Proposal::from_scratch(origin, genome)
        };
        if rng.random_bool(BIRTH) {
            return Proposal::newborn("birth", self.space.birth(rng));
        }
        let crossed = rng.random_bool(CROSSING);
        let pair = (cell.tournament(self.tournament, rng), cell.tournament(self.tournament, rng));
        let (Some(first), Some(second)) = pair else { return Proposal::newborn("birth", self.space.birth(rng)) };
        if crossed
            && first.number != second.number
            && let Some(child) = self.space.cross(&first.genome, &second.genome, rng)
        {
            return made(vec![child.words], child.genome, vec![first.number, second.number]);
        }
        let count = if rng.random_bool(SECOND) { 2 } else { 1 };
        match edited(&self.space, &first.genome, &self.even, &self.all, count, rng) {
            Some(child) => made(child.words, child.genome, vec![first.number]),
            None => Proposal::newborn("birth", self.space.birth(rng)),
        }
    }

    /// Hands the best of a finished cell to its neighbours and cuts the grid anew.
    fn finish(&mut self, finished: usize) {
        self.cells[finished].fruitless = 0;
        self.hand_over(finished);
        let cells = 0..self.cells.len();
        let Some(best) = cells.clone().min_by(|&a, &b| by_best(&self.cells[a], &self.cells[b])) else { return };
        let worst = cells.max_by(|&a, &b| by_best(&self.cells[a], &self.cells[b]));
        let given_up = if finished == best { worst.unwrap_or(best) } else { finished };
        let Some((first, others)) = self.cells[best].members.split_first() else { return };
        let distance = |member: &&Member<S::Genome>| self.space.distance(&first.genome, &member.genome);
        let farthest = others.iter().rev().max_by(|a, b| distance(a).total_cmp(&distance(b)));
        let Some(farthest) = farthest.filter(|_| given_up != best) else { return };
        let centres = (first.genome.clone(), farthest.genome.clone());
        let homeless: Vec<Member<S::Genome>> =
            [best, given_up].iter().flat_map(|&cell| std::mem::take(&mut self.cells[cell].members)).collect();
        self.cells[best] = Cell::new(centres.0);
        self.cells[given_up] = Cell::new(centres.1);
        for member in homeless {
            let home = self.cell_of(&member.genome);
            // A guest may be at home already.
            if self.cells[home].members.iter().all(|other| other.number != member.number) {
                self.cells[home].insert(member, self.capacity);
            }
        }
    }

    /// The group that made a candidate, which is that of its beginning where it was paused on its way; `None` of what was given.
    fn group_of(&mut self, evaluated: &Evaluated<S::Genome>) -> Option<usize> {
        match evaluated.proposal.continues {
            Some(continues) => self.paused.remove(&continues.candidate),
            None => self.open.remove(&evaluated.number).then(|| group(evaluated.number)),
        }
    }

    fn hand_over(&mut self, finished: usize) {
        let Some(best) = self.cells[finished].members.first().cloned() else { return };
        let distance = |cell: &Cell<S::Genome>| self.space.distance(&best.genome, &cell.centre);
        let mut near: Vec<(f64, usize)> =
            self.cells.iter().enumerate().map(|(index, cell)| (distance(cell), index)).collect();
        near.retain(|&(_, index)| index != finished);
        near.sort_by(|a, b| a.0.total_cmp(&b.0));
        for &(_, index) in near.iter().take(NEIGHBOURS) {
            if self.cells[index].members.iter().all(|member| member.number != best.number) {
                self.cells[index].insert(best.clone(), self.capacity);
            }
        }
    }
}

/// The group whose turn a candidate is.
fn group(number: u64) -> usize {
    (number % CELLS as u64) as usize
}

impl<S: Space> Strategy<S> for Grid<S> {
    fn ask(&mut self, number: u64, rng: &mut ChaCha8Rng) -> Proposal<S::Genome> {
        if self.cells.is_empty() {
            self.cut(rng);
        }
        let first = *self.first.get_or_insert(number);
        let repeated = !self.open.insert(number);
        let seed = usize::try_from(number - first).ok().and_then(|index| self.seeds.get(index)).filter(|_| !repeated);
        let group = group(number);
        match seed {
            Some(genome) => Proposal::newborn("seed", genome.clone()),
            None => {
                let cell = &self.cells[group];
                let drafts = (1..DRAFTS).map(|_| self.draft(cell, rng));
                let inside = { drafts }.find(|draft| self.cell_of(&draft.genome) == group);
                inside.unwrap_or_else(|| self.draft(cell, rng))
            }
        }
    }

    fn tell(&mut self, evaluated: &Evaluated<S::Genome>) {
        if self.cells.is_empty() {
            self.given.extend(Member::of(evaluated));
            return;
        }
        let group = self.group_of(evaluated);
        if let Some(group) = group.filter(|_| evaluated.paused) {
            self.paused.insert(evaluated.number, group);
            return;
        }
        if let Some(group) = group {
            self.cells[group].fruitless += 1;
        }
        if let Some(member) = Member::of(evaluated) {
            let cell = self.cell_of(&member.genome);
            if self.cells[cell].insert(member, self.capacity) {
                self.cells[cell].fruitless = 0;
            }
        }
        if let Some(group) = group.filter(|&group| self.cells[group].fruitless >= self.patience) {
            self.finish(group);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::{
        Continuation, rng,
        synthetic::{World, table},
    };

    #[test]
    fn a_group_answers_for_its_own_candidates_and_not_for_those_that_are_paused() {
        let mut grid = Grid::new(&Settings::default(), &table());
        let fruitless = |grid: &Grid<_>| grid.cells.iter().map(|cell| cell.fruitless).collect::<Vec<_>>();
        let heir = Proposal::newborn("inherited", table().birth(&mut rng(1, 0, 1)));
        let [own, paused] = [3, 4].map(|number| grid.ask(number, &mut rng(1, number, 0)));
        grid.tell(&Evaluated::new(2, heir, None));
        let told = World::default().evaluate(4, paused.clone());
        grid.tell(&Evaluated { score: None, paused: true, ..told });
        assert_eq!(fruitless(&grid), [0; CELLS]);
        grid.tell(&Evaluated::new(3, own, None));
        let continues = Some(Continuation { candidate: 4, from: 0.125 });
        grid.tell(&Evaluated::new(13, Proposal { continues, ..paused }, None));
        assert_eq!(fruitless(&grid), [0, 0, 0, 1, 1, 0, 0, 0]);
    }
}
