//! Which members of a population are near which.

/// A set of seats.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seats(Vec<u64>);

impl Seats {
    /// Adds a seat.
    pub fn insert(&mut self, seat: usize) {
        if self.0.len() <= seat / 64 {
            self.0.resize(seat / 64 + 1, 0);
        }
        self.0[seat / 64] |= 1 << (seat % 64);
    }

    fn remove(&mut self, seat: usize) {
        if let Some(word) = self.0.get_mut(seat / 64) {
            *word &= !(1 << (seat % 64));
        }
    }

    /// How many seats both sets have.
    fn shared(&self, other: &Seats) -> usize {
        self.0.iter().zip(&other.0).map(|(a, b)| (a & b).count_ones() as usize).sum()
    }
}

/// The neighbours of each member, who keeps its seat while others come and go: sets of them are compared 64 at a
/// time, and a newcomer moves none.
#[derive(Debug, Clone, Default)]
pub struct Neighbours {
    near: Vec<Seats>,
    free: Vec<usize>,
}

impl Neighbours {
    /// Gives a seat to a member that is near those on the seats `near`.
    pub fn seat(&mut self, near: impl IntoIterator<Item = usize>) -> usize {
        let seat = self.free.pop().unwrap_or(self.near.len());
        if seat == self.near.len() {
            self.near.push(Seats::default());
        }
        for other in near {
            self.near[seat].insert(other);
            self.near[other].insert(seat);
        }
        seat
    }

    /// Frees a seat.
    pub fn leave(&mut self, seat: usize) {
        self.near[seat] = Seats::default();
        self.near.iter_mut().for_each(|near| near.remove(seat));
        self.free.push(seat);
    }

    /// How many of `others` are near the member on a seat.
    pub fn count(&self, seat: usize, others: &Seats) -> usize {
        self.near[seat].shared(others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_mutual_and_leave_nothing_behind() {
        let mut neighbours = Neighbours::default();
        let seats: Vec<usize> = (0..130).map(|number| neighbours.seat((0..number).filter(|other| other % 2 == 0))).collect();
        assert_eq!(seats, (0..130).collect::<Vec<_>>());
        let of = |members: &[usize]| {
            let mut seats = Seats::default();
            members.iter().for_each(|&seat| seats.insert(seat));
            seats
        };
        assert_eq!(neighbours.count(0, &of(&[1, 2, 128, 129])), 4);
        assert_eq!(neighbours.count(1, &of(&[2, 3, 128, 129])), 0);
        assert_eq!(neighbours.count(2, &of(&[1, 3, 128, 129])), 3);
        neighbours.leave(128);
        assert_eq!(neighbours.count(0, &of(&[1, 128])), 1);
        assert_eq!(neighbours.seat([3]), 128);
        assert_eq!([neighbours.count(3, &of(&[128])), neighbours.count(0, &of(&[128]))], [1, 0]);
    }
}
