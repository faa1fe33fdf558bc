//! Adaptive shares: how many candidates each arm of a strategy gets.

/// Training, in full candidate lengths, over which an arm is taken to be as good as all together.
const PRIOR_COST: f64 = 5.0;

/// Gain per full length below which differences count for little, so that arms keep their priors where nothing is found.
const LEAST_RATE: f64 = 0.01;

/// What stays of older evidence after each candidate.
const DECAY: f64 = 0.985;

/// Gains and costs of the arms. An arm's share is its prior share times its gain per training cost, with that of all arms
/// together as the prior; evidence fades, so that an arm that has run dry gives way; every arm keeps a floor.
#[derive(Debug, Clone, PartialEq)]
pub struct Shares {
    arms: Vec<Account>,
    floor: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Account {
    prior: f64,
    gain: f64,
    cost: f64,
}

impl Shares {
    /// Arms with these shares at the start (they need not sum to 1), each of which keeps at least `floor`.
    #[must_use]
    pub fn new(priors: &[f64], floor: f64) -> Shares {
        let total: f64 = priors.iter().sum();
        let arms = priors.iter().map(|prior| Account { prior: prior / total, gain: 0.0, cost: 0.0 }).collect();
        Shares { arms, floor }
    }

    /// The share of each arm; they sum to 1.
    #[must_use]
    pub fn now(&self) -> Vec<f64> {
        let (gain, cost) = self.arms.iter().fold((0.0, 0.0), |(gain, cost), arm| (gain + arm.gain, cost + arm.cost));
        let prior_gain = PRIOR_COST * gain / (PRIOR_COST + cost);
        let rate = |arm: &Account| LEAST_RATE + (prior_gain + arm.gain) / (PRIOR_COST + arm.cost);
        let rates: Vec<f64> = self.arms.iter().map(|arm| arm.prior * rate(arm)).collect();
        let total: f64 = rates.iter().sum();
        let free = 1.0 - self.floor * self.arms.len() as f64;
        rates.iter().map(|rate| self.floor + free * rate / total).collect()
    }

    /// Takes note of one candidate of `arm`: its `gain` from 0 to 1 and its `cost` in full training lengths.
    pub fn record(&mut self, arm: usize, gain: f64, cost: f64) {
        for account in &mut self.arms {
            account.gain *= DECAY;
            account.cost *= DECAY;
        }
        self.arms[arm].gain += gain;
        self.arms[arm].cost += cost;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_at_the_priors_mixed_with_the_floor() {
        let shares = Shares::new(&[1.0, 3.0], 0.1).now();
        assert!((shares[0] - 0.3).abs() < 1e-12 && (shares[1] - 0.7).abs() < 1e-12, "{shares:?}");
    }

    #[test]
    fn where_nothing_gains_the_priors_stay() {
        let mut shares = Shares::new(&[0.75, 0.25], 0.0);
        (0..100).for_each(|_| shares.record(0, 0.0, 1.0));
        assert!((shares.now()[0] - 0.75).abs() < 1e-12);
    }

    #[test]
    fn an_arm_that_gains_per_cost_grows_and_every_arm_keeps_its_floor() {
        let mut shares = Shares::new(&[0.5, 0.25, 0.25], 0.04);
        for _ in 0..400 {
            shares.record(0, 0.0, 1.0);
            shares.record(1, 0.5, 1.0);
            shares.record(2, 0.5, 0.25);
        }
        let now = shares.now();
        assert!((now.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(now.iter().all(|share| *share >= 0.04));
        assert!(now[2] > 1.5 * now[1] && now[1] > 2.0 * now[0], "{now:?}");
    }

    #[test]
    fn evidence_fades_back_to_the_priors() {
        let mut shares = Shares::new(&[0.5, 0.5], 0.0);
        shares.record(0, 1.0, 1.0);
        let fresh = shares.now()[0];
        for _ in 0..2000 {
            shares.record(1, 0.0, 0.0);
        }
        assert!(fresh > 0.6 && (shares.now()[0] - 0.5).abs() < 1e-6, "{fresh} {:?}", shares.now());
    }
}
